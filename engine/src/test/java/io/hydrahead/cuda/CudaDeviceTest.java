package io.hydrahead.cuda;

import static io.hydrahead.ops.Samples.rounded;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.ops.Samples;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import io.hydrahead.tensor.Workspace;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What everything on a GPU stands on: memory, copies, kernels, graphs. */
class CudaDeviceTest extends CudaTesting {
  private static CudaModule kernels() {
    return device().module(CudaDeviceTest.class, "test.cu");
  }

  @Test
  void runsAKernel() {
    int n = 10_001;
    Tensor x = Samples.normal(new Random(1), n);
    Tensor y = Samples.normal(new Random(2), n);
    Tensor z = empty(DType.F32, n);
    LaunchArguments add = kernels().kernel("add").arguments();
    add.begin().pointer(upload(x)).pointer(upload(y)).pointer(z).integer(n);
    add.launch((n + 255) / 256, 256, 0);
    float[] sum = download(z).toFloats();
    for (int i = 0; i < n; i++) {
      assertThat(sum[i]).isEqualTo(x.get(i) + y.get(i));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 1000, 1 << 20, (1 << 20) + 1, 5_000_003})
  void copiesThereAndBack(int n) {
    Tensor x = Samples.normal(new Random(n), n);
    Tensor there = upload(x);
    Tensor copy = empty(DType.F32, n);
    copy.copyFrom(there);
    assertThat(download(copy).toFloats()).isEqualTo(x.toFloats());
    there.fill(0f);
    assertThat(download(there).toFloats()).containsOnly(n == 0 ? new float[0] : new float[] {0f});
  }

  @Test
  void copiesColumns() {
    Tensor x = Samples.normal(new Random(3), 17, 24);
    Tensor wide = uploadWide(x, DType.F32, 8, 5);
    assertThat(wide.contiguous()).isFalse();
    assertThat(download(wide).toFloats()).isEqualTo(x.toFloats());
    Tensor bf16 = uploadWide(x, DType.BF16, 8, 16);
    assertThat(download(bf16).toFloats()).isEqualTo(rounded(x, DType.BF16).toFloats());
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 7, 4096, 3_000_001})
  void convertsBetweenElementTypes(int n) {
    Tensor x = Samples.normal(new Random(n), n);
    for (DType type : new DType[] {DType.BF16, DType.F16}) {
      Tensor narrow = upload(x, type); // rounded there
      Tensor expected = rounded(x, type);
      assertThat(download(narrow).toFloats()).isEqualTo(expected.toFloats());
      Tensor wide = empty(DType.F32, n);
      wide.copyFrom(narrow);
      assertThat(download(wide).toFloats()).isEqualTo(expected.toFloats());
      Tensor host = Tensor.allocate(Arena.ofAuto(), n);
      host.copyFrom(narrow); // widened there
      assertThat(host.toFloats()).isEqualTo(expected.toFloats());
    }
    Tensor slice = uploadWide(Samples.normal(new Random(1), 5, 24), DType.F32, 8, 3);
    Tensor bf16 = emptyWide(DType.BF16, 5, 24, 3, 1);
    bf16.copyFrom(slice);
    assertThat(download(bf16).toFloats())
        .isEqualTo(rounded(download(slice), DType.BF16).toFloats());
  }

  @Test
  void freshMemoryIsPoisonedInTests() {
    try (Workspace w = new Workspace(device().memory())) {
      assertThat(download(w.f32(1000)).toFloats()).containsOnly(Float.NaN);
    }
  }

  @Test
  void recordedWorkReadsDeviceMemoryAnew() {
    Tensor x = upload(Tensor.of(new float[] {1, 2, 3}, 3));
    Tensor factor = upload(Tensor.of(new float[] {2}, 1));
    LaunchArguments scale = kernels().kernel("scale").arguments();
    Runnable work =
        () -> scale.begin().pointer(x).pointer(factor).wide(3).real(0.5f).launch(1, 32, 0);
    work.run();
    try (CudaGraph graph =
        CudaGraph.record(
            device(),
            () -> {
              work.run();
              work.run();
            })) {
      assertThat(graph.nodes()).isEqualTo(2);
      assertThat(download(x).toFloats()).containsExactly(1, 2, 3);
      factor.set(0, 4f);
      graph.launch();
      assertThat(download(x).toFloats()).containsExactly(4, 8, 12);
      factor.set(0, 2f);
      graph.launch();
      assertThat(download(x).toFloats()).containsExactly(4, 8, 12);
    }
  }

  /**
   * Sums of sums, made in both lanes again and again: x + y in one, y + y in the other, then both.
   */
  @Test
  void workSideBySideSeesWhatCameBeforeAndIsSeenAfterwards() {
    int n = 1 << 20;
    int rounds = 20;
    Tensor x = upload(Samples.normal(new Random(4), n));
    Tensor y = empty(DType.F32, n);
    Tensor a = empty(DType.F32, n);
    Tensor b = empty(DType.F32, n);
    LaunchArguments add = kernels().kernel("add").arguments();
    Runnable work =
        () -> {
          for (int i = 0; i < rounds; i++) {
            device().sideBySide(() -> sum(add, x, y, a, n, 1), () -> sum(add, y, y, b, n, 0));
            sum(add, a, b, y, n, 0);
          }
        };
    y.fill(0f);
    work.run();
    float[] direct = download(y).toFloats();
    float value = 0;
    for (int i = 0; i < rounds; i++) {
      value = (x.get(0) + value) + (value + value);
    }
    assertThat(direct[0]).isEqualTo(value);
    try (CudaGraph graph = CudaGraph.record(device(), work)) {
      y.fill(0f);
      graph.launch();
      assertThat(download(y).toFloats()).isEqualTo(direct);
    }
  }

  private static void sum(LaunchArguments add, Tensor x, Tensor y, Tensor z, int n, int lane) {
    assertThat(device().lane()).isEqualTo(lane);
    add.begin().pointer(x).pointer(y).pointer(z).integer(n);
    add.launch((n + 255) / 256, 256, 0);
  }

  @Test
  void aRecordingThatFailsLeavesTheDeviceWorking() {
    Tensor x = upload(Tensor.of(new float[] {1}, 1));
    assertThatThrownBy(() -> CudaGraph.record(device(), () -> download(x)))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("recorded");
    assertThat(download(x).get(0)).isEqualTo(1f);
  }

  @Test
  void clustersAndLargeSharedMemory() {
    Tensor ranks = empty(DType.I32, 8);
    if (device().capability() >= 90) {
      LaunchArguments launch = kernels().kernel("ranks").arguments().cluster(4, 1, 1);
      launch.begin().pointer(ranks).launch(8, 32, 0);
      for (int i = 0; i < 8; i++) {
        assertThat(ranks.getInt(i)).isEqualTo(i % 4);
      }
    }
    Tensor out = empty(DType.F32, 1);
    int floats = device().maxSharedBytes() / 4;
    LaunchArguments sum = kernels().kernel("shared_sum").arguments();
    sum.begin().pointer(out).integer(floats).launch(1, 256, 4 * floats);
    assertThat(out.get(0)).isEqualTo(floats);
    assertThatThrownBy(() -> sum.begin().pointer(out).integer(1).launch(1, 256, 4 * floats + 16))
        .isInstanceOf(CudaUnavailableException.class)
        .hasMessageContaining("shared memory");
  }

  @Test
  void argumentsMustFitTheSignature() {
    LaunchArguments nothing = kernels().kernel("nothing").arguments();
    assertThatThrownBy(() -> nothing.begin().wide(1)).hasMessageContaining("4 bytes");
    assertThatThrownBy(() -> nothing.begin().launch(1, 32, 0)).hasMessageContaining("takes 1");
    assertThatThrownBy(() -> nothing.begin().integer(1).integer(2)).hasMessageContaining("takes 1");
    assertThatThrownBy(() -> kernels().kernel("none")).hasMessageContaining("no kernel none");
    LaunchArguments add = kernels().kernel("add").arguments();
    assertThatThrownBy(() -> add.begin().pointer(Tensor.of(new float[1], 1)))
        .hasMessageContaining("host memory");
  }

  @Test
  void askingForTooMuchNamesTheSizes() {
    long much = device().totalBytes() + (1L << 30);
    try (Arena arena = device().memory().arena()) {
      assertThatThrownBy(() -> arena.allocate(much, 256))
          .isInstanceOf(CudaUnavailableException.class)
          .hasMessageContaining("GB free of")
          .hasMessageContaining("more are needed");
    }
  }

  @Test
  void closingFrees() {
    long before = device().memory().allocatedBytes();
    MemorySegment s;
    try (Arena arena = device().memory().arena()) {
      s = arena.allocate(1 << 20, 256);
      assertThat(device().memory().allocatedBytes()).isEqualTo(before + (1 << 20));
      assertThat(s.address() % 256).isZero();
    }
    assertThat(device().memory().allocatedBytes()).isEqualTo(before);
    assertThatThrownBy(() -> device().memory().fill(s, (byte) 0)).hasMessageContaining("closed");
  }

  @Test
  void anyThreadMayUseIt() throws InterruptedException {
    Tensor x = upload(Tensor.of(new float[] {3}, 1));
    float[] seen = new float[1];
    Thread other = new Thread(() -> seen[0] = x.get(0));
    other.start();
    other.join();
    assertThat(seen[0]).isEqualTo(3f);
  }

  @Test
  void severalCanBeOpen() {
    try (CudaDevice second = CudaDevice.open(0);
        Workspace w = new Workspace(second.memory())) {
      Tensor there = w.f32(4);
      there.fill(1f);
      Tensor here = upload(Tensor.of(new float[] {2}, 1));
      assertThat(there.get(3)).isEqualTo(1f);
      assertThat(here.get(0)).isEqualTo(2f);
    }
    assertThat(upload(Tensor.of(new float[] {5}, 1)).get(0)).isEqualTo(5f);
  }

  @Test
  void aDeviceThatIsNotThereIsNamed() {
    assertThatThrownBy(() -> CudaDevice.open(99))
        .isInstanceOf(CudaUnavailableException.class)
        .hasMessageContainingAll("no cuda:99", CudaDevice.count() + " in all")
        .hasMessageContaining("cuda:0 (");
  }

  @Test
  void libraryVariablesAreObeyed() {
    var environment = new java.util.HashMap<>(System.getenv());
    environment.putAll(Map.of("HYDRAHEAD_CUBLASLT", "/nowhere/libcublasLt.so"));
    assertThatThrownBy(() -> CudaDevice.open(0, environment))
        .isInstanceOf(CudaUnavailableException.class)
        .hasMessageContaining("/nowhere/libcublasLt.so")
        .hasMessageContaining("HYDRAHEAD_CUBLASLT");
  }
}
