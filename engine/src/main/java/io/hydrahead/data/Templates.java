package io.hydrahead.data;

import java.util.Map;

/**
 * RULER's prompt templates (Hsieh et al., "RULER: What's the Real Context Size of Your Long-Context
 * Language Models?", 2024), copied from NVIDIA/RULER, scripts/data/synthetic, Copyright (c) 2024
 * NVIDIA CORPORATION, Apache License 2.0 (see NOTICE); and the project's own shorter ones.
 */
final class Templates {
  static final String NEEDLE = "One of the special magic {type_needle_v} for {key} is: {value}.";
  static final String NOISE =
      "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.";

  static final String NIAH =
      "Some special magic {type_needle_v} are hidden within the following text. Make sure to"
          + " memorize it. I will quiz you about the {type_needle_v} afterwards.\n{context}\nWhat are"
          + " all the special magic {type_needle_v} for {query} mentioned in the provided text?";
  static final String NIAH_ANSWER =
      " The special magic {type_needle_v} for {query} mentioned in the provided text are";
  static final String VT =
      "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n"
          + "{context}\nQuestion: Find all variables that are assigned the value {query} in the text"
          + " above.";
  static final String VT_ANSWER =
      " Answer: According to the chain(s) of variable assignment in the text above, {num_v}"
          + " variables are assigned the value {query}, they are: ";
  static final String CWE =
      "Below is a numbered list of words. In these words, some appear more often than others."
          + " Memorize the ones that appear most often.\n{context}\nQuestion: What are the 10 most"
          + " common words in the above list?";
  static final String CWE_ANSWER =
      " Answer: The top 10 words that appear most often in the list are:";
  static final String FWE =
      "Read the following coded text and track the frequency of each coded word. Find the three most"
          + " frequently appeared coded words. {context}\nQuestion: Do not provide any explanation."
          + " Please ignore the dots '....'. What are the three most frequently appeared words in the"
          + " above coded text?";
  static final String FWE_ANSWER =
      " Answer: According to the coded text above, the three most frequently appeared words are:";

  static final String SHORT_NIAH =
      "{context}\nWhat are all the special magic {type_needle_v} for {query} mentioned in the"
          + " provided text?";
  static final String SHORT_VT =
      "{context}\nQuestion: Find all variables that are assigned the value {query}.";
  static final String SHORT_VT_ANSWER = " Answer:";
  static final String SHORT_CWE =
      "{context}\nQuestion: What are the {num_cw} most common words in the above list?";
  static final String SHORT_CWE_ANSWER = " Answer:";
  static final String SHORT_FWE =
      "{context}\nQuestion: What are the three most frequent words in the above text?";
  static final String SHORT_FWE_ANSWER = " Answer:";
  static final String PHONEBOOK =
      "Memorize the following phone book.\n{context}\nWhat is the phone number of {query}? The phone"
          + " number of {query} is";
  static final String SHORT_PHONEBOOK = "{context}\nThe phone number of {query} is";

  private Templates() {}

  /** RULER's wording when one single value is asked for. */
  static String singular(String template) {
    return template
        .replace("Some", "A")
        .replace("are all", "is")
        .replace("are", "is")
        .replace("{type_needle_v}s", "{type_needle_v}");
  }

  /** What of a template comes before its question: up to {@code {context}}, and with it. */
  static String context(String template) {
    return template.substring(0, contextEnd(template));
  }

  /** What of a template comes after {@code {context}}. */
  static String question(String template) {
    return template.substring(contextEnd(template));
  }

  private static int contextEnd(String template) {
    String place = "{context}";
    return template.indexOf(place) + place.length();
  }

  /** Puts {@code values} into their {@code {name}} places. */
  static String fill(String template, Map<String, String> values) {
    StringBuilder out = new StringBuilder(template.length() + 64);
    int at = 0;
    while (true) {
      int open = template.indexOf('{', at);
      if (open < 0) {
        return out.append(template, at, template.length()).toString();
      }
      int close = template.indexOf('}', open);
      String name = template.substring(open + 1, close);
      String value = values.get(name);
      if (value == null) {
        throw new IllegalArgumentException("no value for {" + name + "} in: " + template);
      }
      out.append(template, at, open).append(value);
      at = close + 1;
    }
  }
}
