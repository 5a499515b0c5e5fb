package io.hydrahead.data;

import java.util.ArrayList;
import java.util.List;

/** What needles hide in. */
public interface Haystack {
  /** RULER's noise line, again and again. */
  Haystack NOISE =
      new Haystack() {
        @Override
        public List<String> units(int n, Dice dice) {
          return new ArrayList<>(java.util.Collections.nCopies(n, Templates.NOISE));
        }

        @Override
        public String joint() {
          return "\n";
        }
      };

  /** Sentences of {@link Prose}. */
  Haystack PROSE =
      new Haystack() {
        @Override
        public List<String> units(int n, Dice dice) {
          List<String> out = new ArrayList<>(n);
          for (int i = 0; i < n; i++) {
            out.add(Prose.sentence(dice));
          }
          return out;
        }

        @Override
        public String joint() {
          return " ";
        }
      };

  /** The first {@code n} lines or sentences; more of them start with the same ones. */
  List<String> units(int n, Dice dice);

  /** What stands between two units. */
  String joint();
}
