package io.hydrahead.serve;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.model.CachePool;
import io.hydrahead.tensor.DType;
import io.hydrahead.tensor.InputException;
import io.hydrahead.tensor.Progress;
import io.hydrahead.tensor.Tensor;
import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * A prefix cache on disk: a header that says for which model it is, then the nodes, parents first
 * and recently used ones before others, each with its block and perhaps its states. Every part has
 * a checksum; it is used only once that was found right.
 *
 * <p>Big-endian: magic number, version, model, machine (both UTF), bytes of a block and of a slot,
 * number of nodes; a node: its head (index of its parent or −1, ids, 1 if states follow else 0),
 * block, checksum of head and block, states, checksum of head and states.
 */
final class PrefixFile {
  private static final long MAGIC = 0x4879_6472_6150_6678L; // HydraPfx
  private static final int VERSION = 1;
  private static final String TOKENS = "tokens";

  /** Nodes between two words about the progress. */
  private static final int WORD = 64;

  /** Parent, ids, whether states follow. */
  private static final int HEAD_BYTES = 4 + 4 * CachePool.BLOCK + 1;

  private final CachePool pool;
  private final String model;
  private final String machine;

  /** In host memory, to pass through. */
  private final Tensor block;

  private final Tensor slot;

  /**
   * @param model what tells it apart from others
   * @param machine what wrote it, which must be the same again
   */
  PrefixFile(CachePool pool, String model, String machine) {
    this.pool = pool;
    this.model = model;
    this.machine = machine;
    block = Tensor.allocate(Arena.ofAuto(), DType.U8, pool.block(0).bytes());
    slot = Tensor.allocate(Arena.ofAuto(), DType.U8, pool.slot(0).bytes());
  }

  private static Tensor as(Tensor bytes, Tensor like) {
    return Tensor.of(bytes.segment(), like.dtype(), like.shape());
  }

  /**
   * Writes what the cache has, for its owner's eyes only; the file appears whole or not at all.
   *
   * @param mostBytes of the nodes; the least recently used ones are left out
   * @return tokens written
   */
  int write(Path file, PrefixCache cache, long mostBytes, Progress progress) {
    long nodeBytes = HEAD_BYTES + block.bytes() + Integer.BYTES;
    List<PrefixCache.Entry> entries =
        cache.entries(nodeBytes, slot.bytes() + Integer.BYTES, mostBytes);
    CacheFileEvent event = new CacheFileEvent();
    event.begin();
    progress.begin("saving prefixes", (long) entries.size() * CachePool.BLOCK, TOKENS);
    try {
      AtomicFile.writePrivate(file, out -> write(out, entries, progress));
    } finally {
      progress.end();
    }
    int tokens = entries.size() * CachePool.BLOCK;
    event.done(pool.model().label(), true, tokens, size(file));
    return tokens;
  }

  private static long size(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      return 0; // moved away at once
    }
  }

  private void write(OutputStream stream, List<PrefixCache.Entry> entries, Progress progress)
      throws IOException {
    DataOutputStream out = new DataOutputStream(stream);
    out.writeLong(MAGIC);
    out.writeInt(VERSION);
    out.writeUTF(model);
    out.writeUTF(machine);
    out.writeLong(block.bytes());
    out.writeLong(slot.bytes());
    out.writeInt(entries.size());
    for (int i = 0; i < entries.size(); i++) {
      PrefixCache.Entry e = entries.get(i);
      ByteBuffer head = ByteBuffer.allocate(HEAD_BYTES).putInt(e.parent());
      head.asIntBuffer().put(e.ids());
      head.put(HEAD_BYTES - 1, (byte) (e.snapshot() == 0 ? 0 : 1));
      out.write(head.array());
      write(out, head.array(), pool.block(e.block()), block);
      if (e.snapshot() != 0) {
        write(out, head.array(), pool.slot(e.snapshot()), slot);
      }
      tell(progress, i + 1);
    }
    out.flush();
  }

  private static void tell(Progress progress, int nodes) {
    if (nodes % WORD == 0) {
      progress.advance((long) nodes * CachePool.BLOCK, "");
    }
  }

  private static void write(DataOutputStream out, byte[] head, Tensor from, Tensor through)
      throws IOException {
    as(through, from).copyFrom(from);
    byte[] bytes = through.segment().toArray(JAVA_BYTE);
    out.write(bytes);
    out.writeInt(checksum(head, bytes));
  }

  private static int checksum(byte[] head, byte[] bytes) {
    CRC32C sum = new CRC32C();
    sum.update(head);
    sum.update(bytes);
    return (int) sum.getValue();
  }

  /**
   * Puts what a file has into the cache, as far as there is room.
   *
   * @param room blocks that may be taken
   * @return tokens that are known now and were not before
   * @throws InputException naming the file and what is wrong with it; what came before that stays
   * @throws java.util.concurrent.CancellationException if {@code progress} asks to stop; likewise
   */
  int read(Path file, PrefixCache cache, int room, Progress progress) {
    if (!Files.isRegularFile(file)) {
      throw new InputException(
          file + (Files.exists(file) ? ": is no file; name another" : ": there is no such file"));
    }
    CacheFileEvent event = new CacheFileEvent();
    event.begin();
    try (DataInputStream in =
        new DataInputStream(new BufferedInputStream(Files.newInputStream(file), 1 << 20))) {
      requireHeader(file, in);
      int tokens = nodes(file, in, cache.restoring(room), progress);
      event.done(pool.model().label(), false, tokens, size(file));
      return tokens;
    } catch (EOFException e) {
      throw new InputException(file + ": ends too early; saving replaces it", e);
    } catch (IOException e) {
      throw new InputException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private void requireHeader(Path file, DataInputStream in) throws IOException {
    if (in.readLong() != MAGIC) {
      throw new InputException(file + ": no file of saved prefixes; name another");
    }
    int version = in.readInt();
    if (version != VERSION) {
      throw new InputException(
          file
              + ": has version "
              + version
              + ", this program reads "
              + VERSION
              + "; saving replaces it");
    }
    boolean same = in.readUTF().equals(model);
    String from = in.readUTF();
    same &= in.readLong() == block.bytes() & in.readLong() == slot.bytes();
    if (!same) {
      throw new InputException(file + ": was saved by another model; saving replaces it");
    }
    if (!from.equals(machine)) {
      throw new InputException(
          file
              + ": was saved by '"
              + from
              + "', this is '"
              + machine
              + "': the two must be the same; saving replaces it");
    }
  }

  private int nodes(
      Path file, DataInputStream in, PrefixCache.Restoring restoring, Progress progress)
      throws IOException {
    int count = in.readInt();
    progress.begin("restoring prefixes", (long) count * CachePool.BLOCK, TOKENS);
    try {
      return nodes(file, in, count, restoring, progress);
    } finally {
      progress.end();
    }
  }

  private int nodes(
      Path file, DataInputStream in, int count, PrefixCache.Restoring restoring, Progress progress)
      throws IOException {
    byte[] head = new byte[HEAD_BYTES];
    int added = 0;
    for (int i = 0; i < count; i++) {
      progress.throwIfCancelled();
      tell(progress, i);
      in.readFully(head);
      read(file, in, head, block);
      int[] ids = new int[CachePool.BLOCK];
      ByteBuffer fields = ByteBuffer.wrap(head);
      int parent = fields.getInt();
      fields.asIntBuffer().get(ids);
      boolean states = head[HEAD_BYTES - 1] != 0;
      if (parent < -1 || parent >= i) {
        throw damaged(file);
      }
      if (states) {
        read(file, in, head, slot);
      }
      Tensor to = restoring.node(parent, ids);
      if (to != null) {
        to.copyFrom(as(block, to));
        added += CachePool.BLOCK;
      }
      Tensor snapshot = states ? restoring.snapshot() : null;
      if (snapshot != null) {
        snapshot.copyFrom(as(slot, snapshot));
      }
    }
    return added;
  }

  private static void read(Path file, DataInputStream in, byte[] head, Tensor to)
      throws IOException {
    byte[] bytes = new byte[Math.toIntExact(to.bytes())];
    in.readFully(bytes);
    if (in.readInt() != checksum(head, bytes)) {
      throw damaged(file);
    }
    MemorySegment.copy(bytes, 0, to.segment(), JAVA_BYTE, 0, bytes.length);
  }

  private static InputException damaged(Path file) {
    return new InputException(file + ": is damaged; saving replaces it");
  }
}
