package io.hydrahead.ops;

import static io.hydrahead.ops.Samples.rounded;

import io.hydrahead.cuda.CudaTesting;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/**
 * Base of the contract tests of rooms on a GPU: a backend must agree with the reference on the same
 * inputs, rounded to the type it is given, whether rows lie dense or in a wider matrix.
 */
public abstract class CudaOpsTesting extends CudaTesting {
  /** How matrices lie on the device. */
  public enum Rows {
    DENSE,
    SLICE,
    UNALIGNED_SLICE
  }

  /** Type of the activations, how they lie, and how far results may be off. */
  public record Form(DType type, Rows rows) {
    /** For results that are stored as activations: {@code exact} in float32. */
    public double stored(double exact) {
      return type == DType.BF16 ? 6e-3 : exact;
    }
  }

  protected final Random random = new Random(getClass().getName().hashCode());

  private CudaScratch scratch;

  @BeforeEach
  void createScratch() {
    scratch = new CudaScratch(device());
  }

  @AfterEach
  void closeScratch() {
    scratch.close();
  }

  protected CudaScratch scratch() {
    return scratch;
  }

  /** Every type on every form of rows. */
  protected static List<Form> forms() {
    List<Form> all = new ArrayList<>();
    for (DType type : new DType[] {DType.F32, DType.BF16}) {
      for (Rows rows : Rows.values()) {
        all.add(new Form(type, rows));
      }
    }
    return all;
  }

  /** A normally distributed host tensor whose values exist in the form's type. */
  protected Tensor values(Form f, double scale, long... shape) {
    return rounded(OpsTesting.random(random, scale, shape), f.type);
  }

  /** A matrix on the device. */
  protected Tensor matrix(Form f, Tensor host) {
    return switch (f.rows) {
      case DENSE -> upload(host, f.type);
      case SLICE -> uploadWide(host, f.type, 8, after(host.dim(1)));
      case UNALIGNED_SLICE -> uploadWide(host, f.type, 3, 2);
    };
  }

  /** A matrix on the device that nobody has written. */
  protected Tensor unwritten(Form f, long rows, long columns) {
    return switch (f.rows) {
      case DENSE -> empty(f.type, rows, columns);
      case SLICE -> emptyWide(f.type, rows, columns, 8, after(columns));
      case UNALIGNED_SLICE -> emptyWide(f.type, rows, columns, 3, 2);
    };
  }

  /** Columns behind a slice, so that rows are a multiple of 32 bytes apart. */
  private static int after(long columns) {
    return 8 + (int) (16 - columns % 8);
  }

  protected static void assertClose(String what, Tensor actual, Tensor expected, double tolerance) {
    OpsTesting.assertClose(what, download(actual), expected, tolerance);
  }

  /** The same bits, whatever they mean. */
  protected static void assertSameBits(String what, Tensor actual, Tensor expected) {
    Assertions.assertThat(download(actual).toFloats())
        .as(what)
        .containsExactly(download(expected).toFloats());
  }
}
