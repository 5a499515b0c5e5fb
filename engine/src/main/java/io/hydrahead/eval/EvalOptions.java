package io.hydrahead.eval;

import io.hydrahead.data.Haystack;
import io.hydrahead.data.PlainText;
import io.hydrahead.data.TaskStyle;

/**
 * How examples are made and scored.
 *
 * @param style wording of the prompts
 * @param scoring of the answers
 * @param haystack what needles hide in where RULER takes essays
 * @param text that perplexity is measured on; its test split
 * @param questions asked about one list of pairs or one phone book
 * @param digits of the numbers
 */
public record EvalOptions(
    TaskStyle style,
    Scoring scoring,
    Haystack haystack,
    PlainText text,
    int questions,
    int digits) {

  /** RULER's wording and metric, generated prose, 16 questions a list, 7 digits. */
  public static EvalOptions ruler() {
    return new EvalOptions(
        TaskStyle.RULER, Scoring.GENERATE, Haystack.PROSE, PlainText.generated(), 16, 7);
  }

  /** Short wording for small models, scored without decoding. */
  public static EvalOptions small() {
    return ruler().withStyle(TaskStyle.SHORT).withScoring(Scoring.TEACHER_FORCED);
  }

  /** The same with prompts worded otherwise. */
  public EvalOptions withStyle(TaskStyle value) {
    return new EvalOptions(value, scoring, haystack, text, questions, digits);
  }

  /** The same with answers scored otherwise. */
  public EvalOptions withScoring(Scoring value) {
    return new EvalOptions(style, value, haystack, text, questions, digits);
  }

  /** The same with needles in another haystack. */
  public EvalOptions withHaystack(Haystack value) {
    return new EvalOptions(style, scoring, value, text, questions, digits);
  }

  /** The same with perplexity of another text. */
  public EvalOptions withText(PlainText value) {
    return new EvalOptions(style, scoring, haystack, value, questions, digits);
  }

  /** The same with another number of questions a list. */
  public EvalOptions withQuestions(int value) {
    return new EvalOptions(style, scoring, haystack, text, value, digits);
  }

  /** The same with numbers of another length. */
  public EvalOptions withDigits(int value) {
    return new EvalOptions(style, scoring, haystack, text, questions, value);
  }
}
