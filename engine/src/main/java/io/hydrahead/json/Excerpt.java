package io.hydrahead.json;

/** The beginning of what somebody wrote, as messages quote it. */
public final class Excerpt {
  private static final int MOST = 60;

  private Excerpt() {}

  /** At most 60 characters of {@code text}: all of it, or its beginning and {@code …}. */
  public static String of(String text) {
    return of(text, MOST);
  }

  /**
   * At most {@code most} characters of {@code text}, none of them half of a surrogate pair.
   *
   * @param most UTF-16 units, the {@code …} among them; at least 1
   */
  public static String of(String text, int most) {
    if (text.length() <= most) {
      return text;
    }
    int end = most - 1;
    if (end > 0 && Character.isSurrogatePair(text.charAt(end - 1), text.charAt(end))) {
      end--;
    }
    return text.substring(0, end) + "…";
  }
}
