package io.hydrahead.data;

/**
 * The words of {@link TaskStyle#VARIED}: sentences put together from slots. A whole sentence, with
 * its {@code {places}} still empty, belongs to the one split that its hash says, so that no wording
 * of the test was seen in training, while every word of it was.
 */
final class Wordings {
  private static final String[] ADJECTIVES = {
    "special magic", "secret", "hidden", "magic", "special", "private", "lucky", "official"
  };
  private static final String[] NUMBERS = {"number", "figure", "value", "count"};
  private static final String[] CODES = {"code", "id", "token", "uuid"};
  private static final String[] LINKS = {
    "for", "of", "kept for", "that belongs to", "assigned to", "given to"
  };
  private static final String[] SAID = {
    "The",
    "Remember: the",
    "Note that the",
    "Remember that the",
    "Do not forget: the",
    "As a reminder, the",
    "By the way, the",
    "For later, the"
  };
  private static final String[] EQUALS = {
    " is: ", " is ", " equals ", " reads ", " = ", " turned out to be "
  };
  private static final String[] ASK_ONE = {
    "What is the",
    "Which is the",
    "Tell me the",
    "Give me the",
    "Find the",
    "State the",
    "Recall the",
    "Name the"
  };
  private static final String[] ASK_ALL = {
    "What are all the",
    "Which are the",
    "Tell me all the",
    "Give me all the",
    "Find all the",
    "State all the",
    "Recall all the",
    "Name all the"
  };
  private static final String[] WHERE = {
    " mentioned in the provided text?",
    " in the text above?",
    "?",
    " hidden in the text?",
    " from the text.",
    " mentioned above?"
  };
  private static final String[] START = {"\n", "\nQuestion: ", "\nTask: ", "\nNow: "};
  private static final String[] ABOVE = {
    ".", " in the text above.", " in the lines above.", " mentioned above."
  };

  private Wordings() {}

  /**
   * A needle and what is asked about it, in the same words.
   *
   * @param sentence with places {@code key} and {@code value}
   * @param question with the place {@code query}
   */
  record Needle(String sentence, String question) {}

  /**
   * @param codes whether values are codes rather than numbers
   * @param one whether one single value is asked for
   */
  static Needle needle(Split split, boolean codes, boolean one, Dice dice) {
    while (true) {
      String noun = pick(codes ? CODES : NUMBERS, dice);
      String adjective = " " + pick(ADJECTIVES, dice) + " ";
      String link = " " + pick(LINKS, dice) + " ";
      String said = pick(SAID, dice) + adjective + noun + link + "{key}" + pick(EQUALS, dice);
      String thing = adjective + noun + (one ? "" : "s") + link + "{query}";
      String[] answers = {
        " The" + thing + (one ? " is" : " are"),
        " Answer:",
        one ? " It is" : " They are",
        one ? " The answer is" : " The answers are",
        one ? " It reads" : " They read",
        " The text says:"
      };
      String asked =
          "\n"
              + pick(one ? ASK_ONE : ASK_ALL, dice)
              + thing
              + pick(WHERE, dice)
              + pick(answers, dice);
      if (Split.ofWord(said) == split && Split.ofWord(asked) == split) {
        return new Needle(said + "{value}.", asked);
      }
    }
  }

  /** An assignment, with places {@code keyword}, {@code name} and {@code value}. */
  static String assignment(Split split, Dice dice) {
    return draw(
        split,
        dice,
        new String[] {"VAR", "LET", "SET", "DEF", "PUT", "NOTE"},
        new String[] {" {name}"},
        new String[] {" = ", " := ", " <- ", " is ", " equals ", " takes "},
        new String[] {"{value}"},
        new String[] {"", ".", ";", " !", " (ok)"});
  }

  /** A question about a variable's value, with the place {@code query}. */
  static String variables(Split split, Dice dice) {
    return draw(
        split,
        dice,
        START,
        new String[] {
          "Find all variables that are assigned the value {query}",
          "Which variables have the value {query}",
          "List every variable whose value is {query}",
          "Name the variables that hold {query}",
          "Give all variables equal to {query}"
        },
        ABOVE,
        new String[] {" Answer:", " They are:", " Result:", " The variables are:"});
  }

  /** A question about a list's commonest words, with places {@code context}, {@code num_cw}. */
  static String commonWords(Split split, Dice dice) {
    return oftenest("{num_cw}", "common", "list", split, dice);
  }

  /** A question about a text's three most frequent words, with the place {@code context}. */
  static String frequentWords(Split split, Dice dice) {
    return oftenest("three", "frequent", "text", split, dice);
  }

  private static String oftenest(String many, String often, String where, Split split, Dice dice) {
    return "{context}"
        + draw(
            split,
            dice,
            START,
            new String[] {
              "What are the " + many + " most " + often + " words",
              "Which " + many + " words appear most often",
              "List the " + many + " most frequent words",
              "Name the " + many + " words that occur most often",
              "Give the " + many + " commonest words"
            },
            new String[] {
              " in the above " + where + "?", " in the " + where + ".", " above.", " of all?"
            },
            new String[] {" Answer:", " They are:", " Result:", " The words are:"});
  }

  /** A question about a phone number, with places {@code context} and {@code query}. */
  static String phonebook(Split split, Dice dice) {
    return "{context}"
        + draw(
            split,
            dice,
            START,
            new String[] {
              "The phone number of {query}",
              "The number of {query}",
              "{query}'s phone number",
              "{query}'s number",
              "The telephone number of {query}",
              "The number to call for {query}"
            },
            new String[] {" is", " is:", " reads", " =", " must be"});
  }

  /** One of the split's sentences: a choice from each slot. */
  private static String draw(Split split, Dice dice, String[]... slots) {
    while (true) {
      StringBuilder out = new StringBuilder();
      for (String[] slot : slots) {
        out.append(pick(slot, dice));
      }
      if (Split.ofWord(out.toString()) == split) {
        return out.toString();
      }
    }
  }

  private static String pick(String[] from, Dice dice) {
    return from[dice.below(from.length)];
  }
}
