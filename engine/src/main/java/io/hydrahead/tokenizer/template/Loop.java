package io.hydrahead.tokenizer.template;

import io.hydrahead.tokenizer.template.Values.Callable;
import io.hydrahead.tokenizer.template.Values.Tuple;
import io.hydrahead.tokenizer.template.Values.Undefined;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;

/**
 * The variable {@code loop}; called, it renders a recursive loop's body with other items. Items are
 * taken one by one, and ahead only where a field asks for it, since the body may change what a
 * loop's condition sees.
 */
final class Loop implements Callable {
  private final int depth0;
  private final Optional<Callable> recursion;
  private Iterator<Object> items;
  private long length;
  private long index0 = -1;
  private Optional<Object> before = Optional.empty();
  private Optional<Object> current = Optional.empty();
  private Optional<Object> after = Optional.empty();
  private Optional<Object> lastChanged = Optional.empty();

  /**
   * @param length number of items, or −1 where only a run through them tells
   * @param depth0 how many recursive loops are around this one
   */
  Loop(Iterator<Object> items, long length, int depth0, Optional<Callable> recursion) {
    this.items = items;
    this.length = length;
    this.depth0 = depth0;
    this.recursion = recursion;
  }

  /** The next item, or none. */
  Optional<Object> advance() {
    Optional<Object> next = peek();
    if (next.isPresent()) {
      before = current;
      current = next;
      after = Optional.empty();
      index0++;
    }
    return next;
  }

  private Optional<Object> peek() {
    if (after.isEmpty() && items.hasNext()) {
      after = Optional.of(items.next());
    }
    return after;
  }

  private long length() {
    if (length < 0) {
      List<Object> rest = new ArrayList<>();
      items.forEachRemaining(rest::add);
      items = rest.iterator();
      length = index0 + 1 + (after.isPresent() ? 1 : 0) + rest.size();
    }
    return length;
  }

  @Override
  public Object call(Arguments args) {
    return recursion
        .orElseThrow(() -> new Failure("this loop is not 'recursive', so it cannot be called"))
        .call(args);
  }

  /** The field {@code name}, or null. */
  Object field(String name) {
    return switch (name) {
      case "index" -> index0 + 1;
      case "index0" -> index0;
      case "revindex" -> length() - index0;
      case "revindex0" -> length() - index0 - 1;
      case "first" -> index0 == 0;
      case "last" -> peek().isEmpty();
      case "length" -> length();
      case "depth" -> depth0 + 1L;
      case "depth0" -> (long) depth0;
      case "previtem" -> before.orElse(new Undefined("there is no previous item"));
      case "nextitem" -> peek().orElse(new Undefined("there is no next item"));
      case "cycle" -> (Callable) this::cycle;
      case "changed" -> (Callable) this::changed;
      default -> null;
    };
  }

  private Object cycle(Arguments args) {
    if (args.positional().isEmpty() || !args.named().isEmpty()) {
      throw new Failure("cycle takes the values to go through");
    }
    return args.positional().get((int) (index0 % args.positional().size()));
  }

  private Object changed(Arguments args) {
    Object now = new Tuple(args.positional());
    boolean same = lastChanged.isPresent() && Values.equal(lastChanged.get(), now);
    lastChanged = Optional.of(now);
    return !same;
  }
}
