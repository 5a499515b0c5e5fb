package io.hydrahead.data;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A small grammar of plain English sentences: filler between needles and text to learn from, free
 * of digits and of the tasks' key words.
 */
public final class Prose {
  private static final String[][] PEOPLE = {
    {"the people", "most of us", "our neighbours", "some visitors", "the children", "many of them"},
    {"nobody", "someone", "everyone", "the old man", "a young woman", "my grandmother"}
  };
  private static final String[] THINGS = {
    "the work",
    "the weather",
    "a story",
    "the news",
    "an idea",
    "the plan",
    "the music",
    "a question",
    "the way home",
    "an old habit",
    "the first step",
    "the other side",
    "a long walk",
    "the problem",
    "a small change",
    "the whole place",
    "the reason",
    "a good meal",
    "the language",
    "a machine"
  };
  private static final String[] QUALITIES = {
    "useful",
    "strange",
    "important",
    "difficult",
    "possible",
    "interesting",
    "different",
    "familiar",
    "complicated",
    "natural",
    "surprising",
    "expensive",
    "necessary",
    "obvious",
    "beautiful"
  };
  private static final String[] PAST = {
    "remembered", "described", "forgot", "wanted", "explained", "found", "noticed", "discussed",
    "understood", "followed", "changed", "missed", "enjoyed", "expected", "began", "studied"
  };
  private static final String[] BASE = {
    "think about",
    "talk about",
    "look for",
    "believe in",
    "care for",
    "wait for",
    "write about",
    "listen to",
    "pay for",
    "dream of",
    "return to",
    "give up",
    "build",
    "learn",
    "share"
  };
  private static final String[] WHEN = {
    "in the evening", "after a while", "for many years", "at the beginning", "before the end",
    "now and then", "during the week", "once in a while", "a long time ago", "every year",
    "from time to time", "in those days"
  };
  private static final String[] WHERE = {
    "at home", "in the country", "across the border", "near the station", "behind the shop",
    "on the way", "in another town", "at the edge of the world", "under the bridge", "by the sea"
  };
  private static final String[] LINKS = {
    "However",
    "Even so",
    "Still",
    "In the end",
    "As a rule",
    "Of course",
    "Perhaps",
    "Later",
    "At first",
    "In fact",
    "Meanwhile",
    "As far as anyone knows"
  };
  private static final String[] SHAPES = {
    "{S} {past} {t} {when}.",
    "{link}, {s} {past} {t}.",
    "{T} was {q} {when}, but {s} {past} it {where}.",
    "It is {q} to {base} {t} when {s} {past} {t2}.",
    "{S} {past} {t} because it was {q} and {q2}.",
    "{Where}, {s} {past} {t}, and {t2} seemed {q}.",
    "{When} it was {q} to {base} {t}.",
    "{link}, {t} is more {q} than {t2}.",
    "If {t} is {q}, then {t2} must be {q2} too.",
    "{S} {past} {t} {where} {when}.",
    "There is nothing {q} about {t}, as {s} {past}.",
    "What {s} {past} was not {t} but {t2}.",
    "To {base} {t} is one thing, to {base2} it is another.",
    "{T} and {t2} are {q}, and {s} {past} both of them.",
    "{link}, nothing about {t} was {q} {where}.",
    "Why would {s} {base} {t} if {t2} is {q}?"
  };
  private static final Pattern SLOT = Pattern.compile("\\{(\\w+)}");

  private Prose() {}

  /** One sentence, with its full stop or question mark. */
  public static String sentence(Dice dice) {
    Matcher m = SLOT.matcher(SHAPES[dice.below(SHAPES.length)]);
    StringBuilder out = new StringBuilder();
    while (m.find()) {
      m.appendReplacement(out, slot(m.group(1), dice));
    }
    m.appendTail(out);
    out.setCharAt(0, Character.toUpperCase(out.charAt(0)));
    return out.toString();
  }

  /** Paragraphs of at least {@code chars} characters. */
  public static String text(int chars, Dice dice) {
    StringBuilder out = new StringBuilder();
    while (out.length() < chars) {
      int sentences = dice.range(2, 7);
      for (int i = 0; i < sentences; i++) {
        out.append(i == 0 ? "" : " ").append(sentence(dice));
      }
      out.append('\n');
    }
    return out.toString();
  }

  private static String slot(String name, Dice dice) {
    String[] from =
        switch (name.replaceAll("\\d", "").toLowerCase(java.util.Locale.ROOT)) {
          case "s" -> PEOPLE[dice.below(2)];
          case "t" -> THINGS;
          case "q" -> QUALITIES;
          case "past" -> PAST;
          case "base" -> BASE;
          case "when" -> WHEN;
          case "where" -> WHERE;
          case "link" -> LINKS;
          default -> throw new IllegalStateException("slot " + name);
        };
    String s = from[dice.below(from.length)];
    return Character.isUpperCase(name.charAt(0))
        ? Character.toUpperCase(s.charAt(0)) + s.substring(1)
        : s;
  }
}
