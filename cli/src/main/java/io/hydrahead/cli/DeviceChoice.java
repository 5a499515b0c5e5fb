package io.hydrahead.cli;

import io.hydrahead.cuda.CudaDevice;
import io.hydrahead.cuda.CudaUnavailableException;
import io.hydrahead.ops.CudaOptions;
import io.hydrahead.ops.Ops;
import io.hydrahead.ops.OpsFactory;
import io.hydrahead.ops.OpsOptions;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * What {@code --device} says: the processor, a GPU, or several for a command that takes several.
 * GPUs that were named are opened before the command does anything, so that it fails first; without
 * a name a GPU is taken if one works, and what was taken is said. That is decided once: a GPU that
 * works no more is an error then, and not a reason to go on without.
 */
final class DeviceChoice {
  private static final String CPU = "cpu";
  private static final String ALL = "cuda:all";
  private static final Pattern CUDA = Pattern.compile("cuda(?::(\\d{1,4}))?");

  /** The option's text; empty where it was not given. */
  private final String text;

  /**
   * Numbers of the GPUs in order: those that were named, of {@code cuda:all} once they are open;
   * without a name the one that was found to work.
   */
  private List<Integer> gpus;

  /** Whether it is known if a GPU works, where none was named. */
  private boolean decided;

  /** Opened, for the next operations on them, by number. */
  private final Map<Integer, CudaDevice> open = new HashMap<>();

  private DeviceChoice(String text, List<Integer> gpus) {
    this.text = text;
    this.gpus = gpus;
  }

  /**
   * Reads {@code cpu}, {@code cuda}, {@code cuda:N}, several of the last with commas between,
   * {@code cuda:all}, or null where the option was not given.
   */
  static DeviceChoice parse(String text) {
    if (text == null) {
      return new DeviceChoice("", List.of());
    }
    String lower = text.toLowerCase(Locale.ROOT);
    if (lower.equals(CPU) || lower.equals(ALL)) {
      return new DeviceChoice(lower, List.of());
    }
    String[] names = lower.split(",", -1);
    List<Integer> gpus = new ArrayList<>();
    for (String name : names) {
      Matcher m = CUDA.matcher(name);
      if (!m.matches()) {
        throw unknown(text, name);
      }
      int gpu = m.group(1) == null ? 0 : Integer.parseInt(m.group(1));
      if (gpus.contains(gpu)) {
        throw new InputException(
            "--device " + text + " names cuda:" + gpu + " twice; name each GPU once");
      }
      gpus.add(gpu);
    }
    return new DeviceChoice(lower, gpus);
  }

  private static InputException unknown(String text, String name) {
    if (text.contains(",")) {
      return new InputException(
          "--device " + text + ": a list is of GPUs, such as cuda:0,cuda:2, not of '" + name + "'");
    }
    return new InputException(
        "--device must be cpu, cuda or cuda:N, not "
            + (text.isEmpty() ? "empty" : text)
            + "; for study also a list, such as cuda:0,cuda:2, or cuda:all");
  }

  /** Whether the option was given. */
  boolean named() {
    return !text.isEmpty();
  }

  /** How many devices there are; those of {@code cuda:all} count once they are open. */
  int count() {
    return Math.max(1, gpus.size());
  }

  /**
   * Called for a command that computes on one device.
   *
   * @throws InputException if several were named
   */
  void requireOne() {
    if (text.equals(ALL) || gpus.size() > 1) {
      throw new InputException(
          "--device "
              + text
              + ": this command computes on one device: cpu, cuda or cuda:N; study alone takes more");
    }
  }

  /**
   * Opens the GPUs if any were named.
   *
   * @throws InputException if one cannot be used
   */
  void openNamed() {
    try {
      if (text.equals(ALL)) {
        gpus = IntStream.range(0, CudaDevice.count()).boxed().toList();
      }
      gpus.forEach(gpu -> open.put(gpu, CudaDevice.open(gpu)));
    } catch (CudaUnavailableException e) {
      InputException named =
          new CudaUnavailableException(
              "--device "
                  + text
                  + ": "
                  + e.getMessage()
                  + "; or leave --device out, or give --device cpu");
      named.initCause(e);
      throw named;
    }
  }

  /** Whether the operations are a GPU's. One that was looked for stays open for the first. */
  synchronized boolean takesGpu(CommonOptions common) {
    if (!named() && !decided) {
      decided = true;
      openAny(common);
    }
    return !gpus.isEmpty();
  }

  /** The operations of the one device, or the first; who takes them closes them. */
  Ops ops(CommonOptions common, DType activations) {
    return ops(common, activations, 0);
  }

  /**
   * The operations of a device; who takes them closes them. A GPU is opened anew each further time,
   * with a stream and memory of its own.
   *
   * @param device below {@link #count}
   */
  synchronized Ops ops(CommonOptions common, DType activations, int device) {
    if (!takesGpu(common)) {
      return cpu(common);
    }
    int gpu = gpus.get(device);
    CudaDevice ready = open.remove(gpu);
    CudaDevice d = ready == null ? CudaDevice.open(gpu) : ready;
    return OpsFactory.cuda(
        d, new CudaOptions(d.ordinal(), activations, common.deterministic(), common.threads()));
  }

  private void openAny(CommonOptions common) {
    if (common.blas() != CommonOptions.Blas.AUTO) {
      common.notice("hydrahead: on the CPU, since --blas was given");
      return;
    }
    try {
      CudaDevice d = CudaDevice.open(0);
      open.put(0, d);
      gpus = List.of(0);
      common.notice("hydrahead: on " + d + "; --device cpu would take the CPU");
    } catch (CudaUnavailableException e) {
      common.notice("hydrahead: on the CPU: " + e.reason());
    }
  }

  private static Ops cpu(CommonOptions common) {
    return OpsFactory.cpu(
        new OpsOptions(
            common.threads(),
            common.blas().name().toLowerCase(Locale.ROOT),
            common.deterministic()));
  }

  /** Closes GPUs that nobody has taken. */
  void release() {
    open.values().forEach(CudaDevice::close);
    open.clear();
  }
}
