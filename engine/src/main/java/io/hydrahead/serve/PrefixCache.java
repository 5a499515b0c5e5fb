package io.hydrahead.serve;

import io.hydrahead.model.CachePool;
import io.hydrahead.model.SequenceCache;
import io.hydrahead.tensor.Tensor;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * What was read before: a tree over token ids in steps of whole blocks. Every node has the block of
 * its tokens; some have a snapshot of the recurrent states behind them. A text can go on from a
 * node only if both are there: the blocks of all nodes from the root, and the node's snapshot
 * (unless the model has no recurrent heads).
 *
 * <p>Least recently used leaves and snapshots make room for new ones; a block that a sequence still
 * has stays. (Prefix trees over KV blocks: SGLang, arXiv:2312.07104; with recurrent states:
 * Marconi, arXiv:2411.19379.)
 */
final class PrefixCache {
  private final CachePool pool;
  private final boolean recurrent;
  private final Node root = new Node(null, null, 0, 0, false);
  private final TreeSet<Node> leaves = new TreeSet<>(Comparator.comparingLong(n -> n.used));
  private final TreeSet<Node> snapshots =
      new TreeSet<>(Comparator.comparingLong(n -> n.snapshotUsed));
  private final int maxSnapshots;
  private long clock;

  /** Runs backwards, for what was saved. */
  private long oldest;

  /** Nodes and snapshots that texts have made. */
  private long made;

  private long blocks;
  private long lookups;
  private long hits;
  private long cachedTokens;
  private long restoredTokens;
  private long evictedBlocks;
  private long evictedSnapshots;

  /** The ids of one block. */
  private record Key(int[] ids) {
    @Override
    public boolean equals(Object o) {
      return o instanceof Key k && Arrays.equals(ids, k.ids);
    }

    @Override
    public int hashCode() {
      return Arrays.hashCode(ids);
    }
  }

  private static final class Node {
    final Node parent;
    final Key key;
    final int block;
    final int depth;

    /** Whether another engine had saved it. */
    final boolean restored;

    final Map<Key, Node> children = new HashMap<>();

    /** 0 for none. */
    int snapshot;

    /** Ticks of the clock, each given once: what the sets are sorted by. */
    long used;

    long snapshotUsed;

    Node(Node parent, Key key, int block, int depth, boolean restored) {
      this.restored = restored;
      this.parent = parent;
      this.key = key;
      this.block = block;
      this.depth = depth;
    }
  }

  /**
   * What is known of a text.
   *
   * @param blocks of the prefix from whose end it can go on
   * @param snapshot slot with the states there; 0 where there are none
   * @param branch tokens of it whose blocks are known, at least as many: from there on it is new,
   *     and others may come that are, too
   * @param restored of {@code blocks}, those that were saved by another engine
   */
  record Match(int[] blocks, int snapshot, int branch, int restored) {
    static final Match NONE = new Match(new int[0], 0, 0, 0);
  }

  PrefixCache(CachePool pool, boolean recurrent, int maxSnapshots) {
    this.pool = pool;
    this.recurrent = recurrent;
    this.maxSnapshots = maxSnapshots;
  }

  /** Whether going on needs a snapshot, too. */
  boolean recurrent() {
    return recurrent;
  }

  /**
   * The longest prefix of the first {@code count} ids, but for the last one, from which a text can
   * go on. What it consists of must be shared before anything else is asked of the cache.
   */
  Match match(int[] ids, int count) {
    lookups++;
    Node at = root;
    Node best = root;
    int most = (count - 1) / CachePool.BLOCK;
    while (at.depth < most) {
      Node next = at.children.get(key(ids, at.depth));
      if (next == null) {
        break;
      }
      at = next;
      touch(at);
      if (!recurrent || at.snapshot != 0) {
        best = at;
      }
    }
    int branch = at.depth * CachePool.BLOCK;
    if (best == root) {
      return new Match(new int[0], 0, branch, 0);
    }
    hits++;
    cachedTokens += (long) best.depth * CachePool.BLOCK;
    touchSnapshot(best);
    int[] path = new int[best.depth];
    int restored = 0;
    for (Node n = best; n != root; n = n.parent) {
      path[n.depth - 1] = n.block;
      restored += n.restored ? 1 : 0;
    }
    restoredTokens += (long) restored * CachePool.BLOCK;
    return new Match(path, best.snapshot, branch, restored);
  }

  /** A text that was matched was not begun after all. */
  void unmatch(Match m) {
    lookups--;
    if (m.blocks.length > 0) {
      hits--;
      cachedTokens -= (long) m.blocks.length * CachePool.BLOCK;
      restoredTokens -= (long) m.restored * CachePool.BLOCK;
    }
  }

  private static Key key(int[] ids, int block) {
    int from = block * CachePool.BLOCK;
    return new Key(Arrays.copyOfRange(ids, from, from + CachePool.BLOCK));
  }

  private void touch(Node n) {
    boolean leaf = leaves.remove(n);
    n.used = ++clock;
    if (leaf) {
      leaves.add(n);
    }
  }

  private void touchSnapshot(Node n) {
    if (n.snapshot != 0) {
      snapshots.remove(n);
      n.snapshotUsed = ++clock;
      snapshots.add(n);
    }
  }

  /**
   * Keeps the first {@code tokens}, a multiple of a block, of what a sequence has read, and the
   * states behind them.
   *
   * @param state slot with them, which is copied; 0 where there are none to keep
   */
  void insert(int[] ids, int tokens, SequenceCache sequence, int state) {
    Node at = insert(ids, tokens, sequence);
    if (state == 0 || at == root || known(at) || !roomForSnapshot()) {
      return;
    }
    int slot = pool.takeSlot();
    pool.copySlot(state, slot);
    keep(at, slot);
  }

  /**
   * Like {@link #insert}, but takes the slot over; false if there was no need of it, and it stays
   * the caller's.
   */
  boolean insertOwn(int[] ids, int tokens, SequenceCache sequence, int slot) {
    Node at = insert(ids, tokens, sequence);
    if (at == root || known(at)) {
      return false;
    }
    if (snapshots.size() >= maxSnapshots && !evictSnapshot()) {
      return false;
    }
    keep(at, slot);
    return true;
  }

  private Node insert(int[] ids, int tokens, SequenceCache sequence) {
    Node at = root;
    for (int b = 0; b < tokens / CachePool.BLOCK; b++) {
      Key key = key(ids, b);
      Node next = at.children.get(key);
      if (next == null) {
        next = new Node(at, key, sequence.block(b), at.depth + 1, false);
        pool.share(next.block);
        blocks++;
        made++;
        at.children.put(key, next);
        leaves.remove(at);
        next.used = ++clock;
        leaves.add(next);
      } else {
        touch(next);
      }
      at = next;
    }
    return at;
  }

  /** Whether there is a snapshot: of the same text, so the same states. */
  private boolean known(Node at) {
    touchSnapshot(at);
    return at.snapshot != 0;
  }

  private boolean roomForSnapshot() {
    boolean full = snapshots.size() >= maxSnapshots || pool.freeSlots() == 0;
    return !full || evictSnapshot();
  }

  private void keep(Node at, int slot) {
    made++;
    at.snapshot = slot;
    at.snapshotUsed = ++clock;
    snapshots.add(at);
  }

  /** Frees the slot of the least recently used snapshot; false if there is none. */
  boolean evictSnapshot() {
    Node victim = snapshots.pollFirst();
    if (victim == null) {
      return false;
    }
    evictedSnapshots++;
    pool.giveBackSlot(victim.snapshot);
    victim.snapshot = 0;
    tell(0, 1);
    return true;
  }

  /**
   * Gives up least recently used leaves until {@code wanted} blocks have become free.
   *
   * @return how many have
   */
  int evictBlocks(int wanted) {
    int freed = 0;
    long snapshotsBefore = evictedSnapshots;
    while (freed < wanted) {
      Node victim = victim();
      if (victim == null) {
        break;
      }
      remove(victim);
      freed++;
    }
    tell(freed, (int) (evictedSnapshots - snapshotsBefore));
    return freed;
  }

  /** The least recently used leaf whose block nobody else has, or null. */
  private Node victim() {
    for (Node n : leaves) {
      if (pool.references(n.block) == 1) {
        return n;
      }
    }
    return null;
  }

  private void tell(int freedBlocks, int freedSnapshots) {
    CacheEvictionEvent event = new CacheEvictionEvent();
    if (freedBlocks + freedSnapshots > 0 && event.shouldCommit()) {
      event.model = pool.model().label();
      event.tokens = freedBlocks * CachePool.BLOCK;
      event.snapshots = freedSnapshots;
      event.bytes =
          freedBlocks * CachePool.blockBytes(pool.model()) + freedSnapshots * pool.slotBytes();
      event.commit();
    }
  }

  private void remove(Node n) {
    leaves.remove(n);
    if (n.snapshot != 0) {
      snapshots.remove(n);
      pool.giveBackSlot(n.snapshot);
      n.snapshot = 0;
      evictedSnapshots++;
    }
    pool.giveBack(n.block);
    blocks--;
    evictedBlocks++;
    n.parent.children.remove(n.key);
    if (n.parent != root && n.parent.children.isEmpty()) {
      leaves.add(n.parent);
    }
  }

  /**
   * A node to be saved.
   *
   * @param parent place in the list of its parent, −1 for none
   * @param snapshot 0 for none
   */
  record Entry(int parent, int[] ids, int block, int snapshot) {}

  /**
   * What is worth saving, parents before children and recently used ones before others: nodes from
   * which a text can go on, and all on the way to them.
   *
   * @param nodeBytes what a node takes
   * @param snapshotBytes what its states take besides, where there are some
   * @param mostBytes of all; what would take more is left out
   */
  List<Entry> entries(long nodeBytes, long snapshotBytes, long mostBytes) {
    long left = mostBytes;
    Map<Node, Integer> places = new HashMap<>();
    places.put(root, -1);
    List<Entry> out = new ArrayList<>();
    for (Node n : (recurrent ? snapshots : leaves).descendingSet()) {
      Deque<Node> path = new ArrayDeque<>();
      long bytes = 0;
      for (Node on = n; !places.containsKey(on); on = on.parent) {
        path.push(on);
        bytes += nodeBytes + (on.snapshot == 0 ? 0 : snapshotBytes);
      }
      // Without its states the way to them is of no use; keys and values are, as far as they go.
      boolean fits = bytes <= left;
      for (Node on : fits || !recurrent ? path : List.<Node>of()) {
        left -= nodeBytes + (on.snapshot == 0 ? 0 : snapshotBytes);
        if (left < 0) {
          return out;
        }
        places.put(on, out.size());
        out.add(new Entry(places.get(on.parent), on.key.ids, on.block, on.snapshot));
      }
    }
    return out;
  }

  /**
   * Takes nodes that were saved.
   *
   * @param room blocks that may be taken
   */
  Restoring restoring(int room) {
    return new Restoring(room);
  }

  /** Nodes that were saved, one after the other. */
  final class Restoring {
    private final List<Node> nodes = new ArrayList<>();
    private int room;

    private Restoring(int room) {
      this.room = room;
    }

    /**
     * The next node.
     *
     * @return its block, to be filled; null if it is known or there is no room for it
     */
    Tensor node(int parent, int[] ids) {
      Node above = parent < 0 ? root : nodes.get(parent);
      Key key = new Key(ids);
      Node n = above == null ? null : above.children.get(key);
      boolean made = above != null && n == null && room > 0;
      if (made) {
        room--;
        n = new Node(above, key, pool.takeBlock(), above.depth + 1, true);
        blocks++;
        above.children.put(key, n);
        leaves.remove(above);
        n.used = --oldest; // older than all that was used since
        leaves.add(n);
      }
      nodes.add(n);
      return made ? pool.block(n.block) : null;
    }

    /** The slot of the last node's states, to be filled; null if it has them, or has no room. */
    Tensor snapshot() {
      Node n = nodes.getLast();
      boolean full = pool.freeSlots() == 0 || snapshots.size() >= maxSnapshots;
      if (n == null || n.snapshot != 0 || full) {
        return null;
      }
      n.snapshot = pool.takeSlot();
      n.snapshotUsed = --oldest;
      snapshots.add(n);
      return pool.slot(n.snapshot);
    }
  }

  /** Forgets everything that no sequence has. */
  void clear() {
    evictBlocks(Integer.MAX_VALUE);
    while (evictSnapshot()) {
      // until none is left
    }
  }

  long blocks() {
    return blocks;
  }

  int snapshots() {
    return snapshots.size();
  }

  long lookups() {
    return lookups;
  }

  long hits() {
    return hits;
  }

  long cachedTokens() {
    return cachedTokens;
  }

  /** Of {@link #cachedTokens}, those that another engine had saved. */
  long restoredTokens() {
    return restoredTokens;
  }

  /** Grows with what texts add; not with what is restored. */
  long made() {
    return made;
  }

  long evictedBlocks() {
    return evictedBlocks;
  }

  long evictedSnapshots() {
    return evictedSnapshots;
  }
}
