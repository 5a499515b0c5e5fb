package io.hydrahead.study.results;

import io.hydrahead.data.TaskFamily;

/** What the task families ask, in a few words; their names are RULER's where it has them. */
final class TaskWords {
  private TaskWords() {}

  /**
   * @throws io.hydrahead.tensor.InputException if there is no such family
   */
  static String of(String task) {
    return switch (TaskFamily.of(task)) {
      case NIAH_SINGLE_1 -> "one needle in repeated noise, its value a number";
      case NIAH_SINGLE_2 -> "one needle in prose, its value a number";
      case NIAH_SINGLE_3 -> "one needle in prose, its value a long random code";
      case NIAH_MULTIKEY_1 -> "a few needles with different keys in prose, one key asked for";
      case NIAH_MULTIKEY_2 -> "every line is a needle with a key of its own, one key asked for";
      case NIAH_MULTIKEY_3 -> "the same, keys and values long random codes";
      case NIAH_MULTIVALUE -> "several needles with the same key, all values asked for";
      case NIAH_MULTIQUERY -> "a few needles with different keys, several keys asked for at once";
      case VT -> "variable tracking: which variables got a value, through a chain of assignments";
      case CWE -> "common words: those that occur most often in a list";
      case FWE -> "frequent words: the three most frequent of many invented ones";
      case MQAR ->
          "multi-query associative recall: a list of key–value pairs, some keys asked again";
      case PHONEBOOK -> "a phone book, one person's number asked for";
      case KEY_VALUE -> "a list of key–value pairs, every key asked again";
      case COPY -> "a passage to be copied";
    };
  }
}
