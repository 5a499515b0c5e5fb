package io.hydrahead.tokenizer;

/**
 * A token that is found in the text before it is split, as {@code added_tokens} describes it.
 *
 * @param special control token such as {@code <|im_end|>}
 * @param normalized matched in the normalised text, else in the raw one
 * @param singleWord only where no word character is next to it
 * @param lstrip takes the white space before it along
 * @param rstrip takes the white space after it along
 */
public record AddedToken(
    int id,
    String content,
    boolean special,
    boolean normalized,
    boolean singleWord,
    boolean lstrip,
    boolean rstrip) {

  /** A control token: raw text, no stripping. */
  public static AddedToken special(int id, String content) {
    return new AddedToken(id, content, true, false, false, false, false);
  }
}
