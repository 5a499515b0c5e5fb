package io.hydrahead.study.eval;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.data.PlainText;
import io.hydrahead.data.TextCodec;
import io.hydrahead.eval.Example;
import io.hydrahead.eval.Lengths;
import io.hydrahead.tensor.InputException;
import io.hydrahead.train.Fingerprint;
import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;

/**
 * A cell's haystacks as token ids, made once for all models of a seed and kept in a folder. A file
 * is named by its cell and by a hash of everything that its content follows from.
 */
final class HaystackFiles {
  /** Changes when the makers of texts do. */
  private static final String VERSION = "haystacks-2";

  private static final int SHORT_IDS = 1 << 16;

  private final EvaluationRecipe recipe;
  private final TextCodec codec;
  private final PlainText heldOut;
  private final Path folder;
  private final ExecutorService makers;

  /**
   * @param folder where files are kept
   * @param makers threads that make texts; the caller shuts them down
   */
  HaystackFiles(
      EvaluationRecipe recipe,
      TextCodec codec,
      PlainText heldOut,
      Path folder,
      ExecutorService makers) {
    this.recipe = recipe;
    this.codec = codec;
    this.heldOut = heldOut;
    this.folder = folder;
    this.makers = makers;
  }

  /** 16 hex digits that change when any haystack of the cell may. */
  String fingerprint(CellSpec cell, long seed) {
    String probe = "The quick brown fox: 1234567, VAR ABC = 0x7f.\n";
    boolean reads = !cell.isRecall() || recipe.haystack() == EvaluationRecipe.HaystackKind.TEXT;
    return new Fingerprint()
        .add(VERSION)
        .add(settings())
        .add(codec.vocabSize() + Arrays.toString(codec.encode(probe)))
        .add(reads ? heldOut.fingerprint() : "")
        .add(cell.task() + cell.length() + cell.split() + cell.questions() + "/" + seed)
        .hex();
  }

  private String settings() {
    String words = recipe.digits() + " " + recipe.invented();
    return recipe.style() + " " + recipe.haystack() + " " + words;
  }

  private Path file(CellSpec cell, long seed) {
    return folder.resolve(
        "%s-%s-%s-%dx%d-seed%d-%s.ids"
            .formatted(
                cell.task(),
                Lengths.format(cell.length()),
                cell.split().name().toLowerCase(java.util.Locale.ROOT),
                cell.haystacks(),
                cell.questions(),
                seed,
                fingerprint(cell, seed)));
  }

  /** Begins to read or make a cell's haystacks: some threads at a time, this call does not wait. */
  Pending begin(CellSpec cell, long seed) {
    Path file = file(cell, seed);
    if (Files.isRegularFile(file)) {
      return new Pending(file, List.of(), makers.submit(() -> read(file)));
    }
    HaystackMaker maker = new HaystackMaker(recipe, codec, heldOut, seed);
    List<Future<Example>> parts = new ArrayList<>();
    for (int i = 0; i < cell.haystacks(); i++) {
      int index = i;
      parts.add(makers.submit((Callable<Example>) () -> maker.make(cell, index)));
    }
    return new Pending(file, parts, null);
  }

  /** Haystacks on their way. */
  final class Pending {
    private final Path file;
    private final List<Future<Example>> parts;
    private final Future<List<Example>> whole;

    private Pending(Path file, List<Future<Example>> parts, Future<List<Example>> whole) {
      this.file = file;
      this.parts = parts;
      this.whole = whole;
    }

    /**
     * Waits for them; new ones are written to their file.
     *
     * @throws InputException if the cell cannot be made
     */
    List<Example> take() {
      if (whole != null) {
        return get(whole);
      }
      List<Example> out = new ArrayList<>(parts.size());
      for (Future<Example> part : parts) {
        out.add(get(part));
      }
      write(file, out);
      return out;
    }

    /** No longer wanted. */
    void cancel() {
      parts.forEach(p -> p.cancel(false));
    }
  }

  private static <T> T get(Future<T> future) {
    try {
      return future.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new java.util.concurrent.CancellationException("interrupted");
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException r) {
        throw r;
      }
      throw new IllegalStateException(e.getCause());
    }
  }

  private void write(Path file, List<Example> examples) {
    boolean narrow = codec.vocabSize() <= SHORT_IDS;
    AtomicFile.write(
        file,
        stream -> {
          DataOutputStream out = new DataOutputStream(stream);
          out.writeUTF(VERSION);
          out.writeBoolean(narrow);
          out.writeInt(examples.size());
          for (Example e : examples) {
            writeIds(out, e.context(), narrow);
            out.writeInt(e.questions().size());
            for (Example.Question q : e.questions()) {
              writeIds(out, q.ids(), narrow);
              out.writeInt(q.answers().size());
              for (int[] answer : q.answers()) {
                writeIds(out, answer, narrow);
              }
              for (String reference : q.references()) {
                out.writeUTF(reference);
              }
              out.writeInt(q.maxNew());
            }
          }
          out.flush();
        });
  }

  private static void writeIds(DataOutputStream out, int[] ids, boolean narrow) throws IOException {
    out.writeInt(ids.length);
    byte[] bytes = new byte[ids.length * (narrow ? 2 : 4)];
    int at = 0;
    for (int id : ids) {
      if (!narrow) {
        bytes[at++] = (byte) (id >> 24);
        bytes[at++] = (byte) (id >> 16);
      }
      bytes[at++] = (byte) (id >> 8);
      bytes[at++] = (byte) id;
    }
    out.write(bytes);
  }

  private static List<Example> read(Path file) {
    try (DataInputStream in =
        new DataInputStream(new BufferedInputStream(Files.newInputStream(file), 1 << 20))) {
      if (!in.readUTF().equals(VERSION)) {
        throw new InputException(file + ": not haystacks of this version; delete it");
      }
      boolean narrow = in.readBoolean();
      List<Example> out = new ArrayList<>();
      int count = in.readInt();
      for (int i = 0; i < count; i++) {
        int[] context = readIds(in, narrow);
        List<Example.Question> questions = new ArrayList<>();
        int asked = in.readInt();
        for (int q = 0; q < asked; q++) {
          questions.add(readQuestion(in, narrow));
        }
        out.add(new Example(context, List.copyOf(questions), ""));
      }
      return out;
    } catch (IOException e) {
      throw new InputException(file + ": cannot be read (" + e + "); delete it", e);
    }
  }

  private static Example.Question readQuestion(DataInputStream in, boolean narrow)
      throws IOException {
    int[] ids = readIds(in, narrow);
    List<int[]> answers = new ArrayList<>();
    int n = in.readInt();
    for (int a = 0; a < n; a++) {
      answers.add(readIds(in, narrow));
    }
    List<String> references = new ArrayList<>();
    for (int a = 0; a < n; a++) {
      references.add(in.readUTF());
    }
    return new Example.Question(ids, answers, references, in.readInt());
  }

  private static int[] readIds(DataInputStream in, boolean narrow) throws IOException {
    int[] ids = new int[in.readInt()];
    byte[] bytes = new byte[ids.length * (narrow ? 2 : 4)];
    in.readFully(bytes);
    int at = 0;
    for (int i = 0; i < ids.length; i++) {
      int high = narrow ? 0 : (bytes[at++] & 0xFF) << 24 | (bytes[at++] & 0xFF) << 16;
      ids[i] = high | (bytes[at++] & 0xFF) << 8 | bytes[at++] & 0xFF;
    }
    return ids;
  }
}
