package io.hydrahead.cli;

import java.text.MessageFormat;
import java.util.ResourceBundle;

/**
 * The engine's {@link System.Logger}s, on stderr: warnings always, the rest with {@code --debug}.
 * Found by the JVM as a service, so no logging library is needed.
 */
public final class Logs extends System.LoggerFinder {
  private static volatile Terminal terminal;
  private static volatile ProgressBar bar;
  private static volatile boolean debug;

  static void attach(Terminal to, ProgressBar drawn, boolean all) {
    terminal = to;
    bar = drawn;
    debug = all;
  }

  @Override
  public System.Logger getLogger(String name, Module module) {
    return new StderrLogger(name);
  }

  private record StderrLogger(String name) implements System.Logger {
    @Override
    public String getName() {
      return name;
    }

    @Override
    public boolean isLoggable(Level level) {
      if (level == Level.OFF) {
        return false;
      }
      boolean ours = name.startsWith("io.hydrahead");
      return level.getSeverity() >= Level.WARNING.getSeverity()
          || (debug && ours && level.getSeverity() >= Level.DEBUG.getSeverity());
    }

    @Override
    public void log(Level level, ResourceBundle bundle, String message, Throwable thrown) {
      if (!isLoggable(level)) {
        return;
      }
      Terminal to = terminal;
      if (to == null) {
        return;
      }
      bar.clear();
      String kind = level.getSeverity() >= Level.WARNING.getSeverity() ? "warning: " : "";
      to.err().println("hydrahead: " + kind + message + (thrown == null ? "" : ": " + thrown));
      to.err().flush();
    }

    @Override
    public void log(Level level, ResourceBundle bundle, String format, Object... params) {
      boolean plain = params == null || params.length == 0;
      log(level, bundle, plain ? format : MessageFormat.format(format, params), (Throwable) null);
    }
  }
}
