package io.hydrahead.ops;

/**
 * How the CPU backend runs.
 *
 * @param threads size of the compute team, the calling thread included
 * @param blas {@code auto}, {@code java}, {@code onednn} or {@code openblas}
 * @param deterministic whether results must be the same bits for every split of the work
 */
public record OpsOptions(int threads, String blas, boolean deterministic) {
  public OpsOptions {
    if (threads < 1) {
      throw new IllegalArgumentException("threads must be at least 1, not " + threads);
    }
  }

  /** All processors that the container grants, the fastest BLAS that works, not deterministic. */
  public static OpsOptions defaults() {
    return new OpsOptions(Runtime.getRuntime().availableProcessors(), "auto", false);
  }
}
