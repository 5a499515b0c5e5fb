package io.hydrahead.ops;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class OpsFactoryTest {
  @Test
  @Tag("scalar")
  void everyPlaceOfTheBundleIsFilled() {
    try (Ops reference = OpsFactory.reference(1);
        Ops cpu = OpsFactory.cpu(new OpsOptions(2, "java", true))) {
      for (Ops ops : new Ops[] {reference, cpu}) {
        assertThat(ops).hasNoNullFieldsOrProperties();
        assertThat(ops.deterministic()).isTrue();
      }
      assertThat(reference.pool().threads()).isEqualTo(1);
      assertThat(cpu.pool().threads()).isEqualTo(2);
      assertThat(cpu.description()).contains("2 threads", "deterministic");
    }
  }

  @Test
  void strangeOptionsAreNamed() {
    assertThatThrownBy(() -> OpsFactory.cpu(new OpsOptions(1, "mkl", false)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("mkl");
    assertThatThrownBy(() -> new OpsOptions(0, "java", false)).hasMessageContaining("threads");
    assertThat(OpsOptions.defaults().threads()).isPositive();
  }
}
