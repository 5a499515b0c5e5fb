package io.hydrahead.ops.deltarule;

import static org.assertj.core.api.Assertions.assertThat;

import io.hydrahead.checkpoint.SafetensorsFile;
import io.hydrahead.ops.Samples;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The contract of {@link GatedDeltaRule}, for every backend. */
class GatedDeltaRuleTest {
  static Stream<GatedDeltaRule> backends() {
    return Stream.of(new ReferenceGatedDeltaRule());
  }

  static Stream<Arguments> goldenCases() {
    return backends()
        .flatMap(
            b ->
                Stream.of(
                        "one", "ragged63", "exact64", "ragged200", "nodecay", "strong",
                        "repeated_keys")
                    .map(name -> Arguments.of(b, name)));
  }

  @ParameterizedTest
  @MethodSource("goldenCases")
  void golden(GatedDeltaRule op, String name) throws URISyntaxException {
    double tolerance = name.equals("repeated_keys") ? 1e-3 : 1e-4;
    Path path =
        Path.of(
            GatedDeltaRuleTest.class.getResource("/golden/gdn-op/golden.safetensors").toURI());
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      DeltaRuleCase c = DeltaRuleCase.golden(file, name);
      DeltaRuleCase.Result r = c.run(op);
      assertThat(Samples.relativeL2(r.out(), file.get(name + ".out"))).isLessThan(tolerance);
      assertThat(Samples.relativeL2(r.finalState(), file.get(name + ".final_state")))
          .isLessThan(tolerance);
      List<String> names = DeltaRuleCase.NAMES;
      for (int i = 0; i < names.size(); i++) {
        assertThat(
                Samples.relativeL2(r.gradients().get(i), file.get(name + ".grad_" + names.get(i))))
            .as("gradient of %s", names.get(i))
            .isLessThan(tolerance);
      }
    }
  }
}
