package io.hydrahead.cli;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParseResult;

/**
 * The common options that do nothing for a command. Its help leaves them out; they are still
 * accepted, so that scripts can give every command the same, and it is said that they do nothing.
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.TYPE)
@interface Without {
  /** Options without effect. */
  String[] value() default {};

  /** Options that the command itself refuses, because its recipe decides. */
  String[] refused() default {};

  /** Reads and applies the annotation. */
  final class Reader {
    private Reader() {}

    private static List<String> names(CommandSpec spec, boolean refused) {
      Without w = spec.userObject().getClass().getAnnotation(Without.class);
      List<String> out = new ArrayList<>();
      if (w != null) {
        out.addAll(List.of(w.value()));
        if (refused) {
          out.addAll(List.of(w.refused()));
        }
      }
      return out;
    }

    /** Takes the options out of the help of every command below {@code root}. */
    static void hide(CommandLine root) {
      for (CommandLine line : root.getSubcommands().values()) {
        CommandSpec spec = line.getCommandSpec();
        for (String name : names(spec, true)) {
          OptionSpec option = spec.findOption(name);
          spec.remove(option);
          spec.addOption(OptionSpec.builder(option).hidden(true).build());
        }
      }
    }

    /** The options of this command line that have no effect. */
    static List<String> idle(ParseResult parsed) {
      return names(parsed.commandSpec(), false).stream().filter(parsed::hasMatchedOption).toList();
    }
  }
}
