package io.hydrahead.cli;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaUnavailableException;
import io.hydrahead.ops.CudaOptions;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What {@code --device} says. A GPU that was named is opened before the command does anything, so
 * that it fails first; without a name a GPU is taken if one works, and what was taken is said. That
 * is decided once: a GPU that works no more is an error then, and not a reason to go on without.
 */
final class DeviceChoice {
  private static final Pattern CUDA = Pattern.compile("cuda(?::(\\d{1,4}))?");

  private final boolean named;

  /** Number of the GPU, or -1 for the processor. */
  private final int ordinal;

  /** Whether it is known if a GPU works, where none was named. */
  private boolean decided;

  private boolean works;

  /** Opened, for the next operations. */
  private CudaDevice device;

  private DeviceChoice(boolean named, int ordinal) {
    this.named = named;
    this.ordinal = ordinal;
  }

  /** Reads {@code cpu}, {@code cuda}, {@code cuda:N}, or null where the option was not given. */
  static DeviceChoice parse(String text) {
    if (text == null) {
      return new DeviceChoice(false, 0);
    }
    String lower = text.toLowerCase(Locale.ROOT);
    if (lower.equals("cpu")) {
      return new DeviceChoice(true, -1);
    }
    Matcher m = CUDA.matcher(lower);
    if (!m.matches()) {
      throw new InputException("--device must be cpu, cuda or cuda:N, not " + text);
    }
    return new DeviceChoice(true, m.group(1) == null ? 0 : Integer.parseInt(m.group(1)));
  }

  /** Whether the option was given. */
  boolean named() {
    return named;
  }

  /** Whether the option named a GPU. */
  boolean namesGpu() {
    return named && ordinal >= 0;
  }

  /**
   * Opens the GPU if one was named.
   *
   * @throws InputException if it cannot be used
   */
  void openNamed() {
    if (namesGpu()) {
      device = CudaDevice.open(ordinal);
    }
  }

  /** Whether the operations are a GPU's. One that was looked for stays open for the first. */
  synchronized boolean takesGpu(CommonOptions common) {
    if (named) {
      return namesGpu();
    }
    if (!decided) {
      works = openAny(common);
      decided = true;
    }
    return works;
  }

  /**
   * The operations; who takes them closes them. A GPU is opened anew each further time, with a
   * stream and memory of its own.
   */
  synchronized Ops ops(CommonOptions common, DType activations) {
    if (!takesGpu(common)) {
      return cpu(common);
    }
    CudaDevice d = device == null ? CudaDevice.open(ordinal) : device;
    device = null;
    return OpsFactory.cuda(
        d, new CudaOptions(d.ordinal(), activations, common.deterministic(), common.threads()));
  }

  private boolean openAny(CommonOptions common) {
    if (common.blas() != CommonOptions.Blas.AUTO) {
      common.notice("hydrahead: on the CPU, since --blas was given");
      return false;
    }
    try {
      device = CudaDevice.open(ordinal);
      common.notice("hydrahead: on " + device + "; --device cpu would take the CPU");
      return true;
    } catch (CudaUnavailableException e) {
      common.notice("hydrahead: on the CPU: " + e.reason());
      return false;
    }
  }

  private static Ops cpu(CommonOptions common) {
    return OpsFactory.cpu(
        new OpsOptions(
            common.threads(),
            common.blas().name().toLowerCase(Locale.ROOT),
            common.deterministic()));
  }

  /** Closes a GPU that nobody has taken. */
  void release() {
    if (device != null) {
      device.close();
      device = null;
    }
  }
}
