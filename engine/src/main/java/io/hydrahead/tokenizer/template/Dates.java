package io.hydrahead.tokenizer.template;

import java.time.Clock;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;

/** The global {@code strftime_now} of transformers: local time, formatted as C does. */
final class Dates {
  private Dates() {}

  static String now(Clock clock, String format) {
    LocalDateTime now = LocalDateTime.now(clock);
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%' || i + 1 == format.length()) {
        out.append(c);
        continue;
      }
      char d = format.charAt(++i);
      boolean bare = d == '-' && i + 1 < format.length();
      if (bare) {
        d = format.charAt(++i);
      }
      String text = directive(now, d);
      out.append(bare && text.length() > 1 ? text.replaceFirst("^[0 ]+(?=.)", "") : text);
    }
    return out.toString();
  }

  private static String directive(LocalDateTime now, char d) {
    return switch (d) {
      case 'Y' -> pattern(now, "uuuu");
      case 'y' -> pattern(now, "uu");
      case 'm' -> pattern(now, "MM");
      case 'd' -> pattern(now, "dd");
      case 'e' -> String.format(Locale.ROOT, "%2d", now.getDayOfMonth());
      case 'B' -> pattern(now, "MMMM");
      case 'b', 'h' -> pattern(now, "MMM");
      case 'A' -> pattern(now, "EEEE");
      case 'a' -> pattern(now, "EEE");
      case 'w' -> "" + now.getDayOfWeek().getValue() % 7;
      case 'u' -> "" + now.getDayOfWeek().getValue();
      case 'j' -> pattern(now, "DDD");
      case 'H' -> pattern(now, "HH");
      case 'I' -> pattern(now, "hh");
      case 'p' -> now.getHour() < 12 ? "AM" : "PM";
      case 'M' -> pattern(now, "mm");
      case 'S' -> pattern(now, "ss");
      case 'f' -> pattern(now, "SSSSSS");
      case 'F' -> pattern(now, "uuuu-MM-dd");
      case 'D', 'x' -> pattern(now, "MM/dd/uu");
      case 'T', 'X' -> pattern(now, "HH:mm:ss");
      case 'R' -> pattern(now, "HH:mm");
      case 'c' -> pattern(now, "EEE MMM ") + directive(now, 'e') + pattern(now, " HH:mm:ss uuuu");
      case 'Z', 'z' -> ""; // Python's now() knows no zone
      case 'n' -> "\n";
      case 't' -> "\t";
      case '%' -> "%";
      default -> throw new Failure("strftime_now: the directive '%" + d + "' is not supported");
    };
  }

  private static String pattern(LocalDateTime now, String pattern) {
    return DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH).format(now);
  }
}
