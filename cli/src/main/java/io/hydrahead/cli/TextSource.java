package io.hydrahead.cli;

import io.hydrahead.tensor.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** A text from the command line, from a file, or from stdin. */
final class TextSource {
  private TextSource() {}

  /**
   * @param words given on the command line, or null
   * @param file to read instead, or null; {@code -} is stdin
   * @throws InputException if both are given, the file is not UTF-8, or the text is empty
   */
  static String read(String words, Path file, InputStream stdin, String what) {
    if (words != null && file != null) {
      throw new InputException("the " + what + " is given twice, as words and as a file; give one");
    }
    String text = words;
    if (text == null) {
      boolean standard = file == null || file.toString().equals("-");
      try {
        byte[] bytes = standard ? stdin.readAllBytes() : Files.readAllBytes(file);
        text = utf8(bytes, standard ? "stdin" : file.toString());
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    if (text.isEmpty()) {
      throw new InputException("the " + what + " is empty; give at least one character");
    }
    return text;
  }

  private static String utf8(byte[] bytes, String source) {
    try {
      return StandardCharsets.UTF_8
          .newDecoder()
          .onMalformedInput(CodingErrorAction.REPORT)
          .decode(ByteBuffer.wrap(bytes))
          .toString();
    } catch (CharacterCodingException e) {
      throw new InputException(source + ": is not UTF-8 text; convert it first");
    }
  }
}
