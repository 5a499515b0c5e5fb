package io.hydrahead.tokenizer.template;

import java.time.Clock;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/** A template, read and checked once and rendered often, by several threads if need be. */
public final class Template {
  private final Source source;
  private final List<Stmt> statements;
  private final Set<String> variables;

  private Template(Source source) {
    this.source = source;
    this.statements = Parser.parse(source);
    this.variables = Collections.unmodifiableSet(variablesOf(statements));
  }

  /**
   * Reads a template.
   *
   * @param name what errors call it, such as {@code chat_template.jinja}
   * @throws TemplateException naming line and column of what is wrong or not supported
   */
  public static Template parse(String text, String name) {
    return new Template(Source.of(name, text));
  }

  private static Set<String> variablesOf(List<Stmt> statements) {
    Scope functions = new Scope();
    Globals.define(functions, Clock.systemUTC(), new Meter(Limits.DEFAULT));
    Set<String> out = Variables.wantedBy(statements);
    out.removeIf(name -> functions.find(name) != null);
    return out;
  }

  /** The template itself. */
  public String text() {
    return source.text();
  }

  /** Whether {@code word} stands anywhere in it. */
  public boolean mentions(String word) {
    return source.text().contains(word);
  }

  /**
   * Names that it reads, in macros too, and has not surely set itself before: what it can be given.
   * Functions that every template finds are not among them.
   */
  public Set<String> variables() {
    return variables;
  }

  /**
   * Renders the template.
   *
   * @param variables what it finds by name
   * @param clock what its {@code strftime_now} shows
   * @throws RaisedException if the template says that it does not take these variables
   * @throws LimitException if it would take more than {@code limits}
   * @throws TemplateException if it does with them what cannot be done
   */
  public String render(Map<String, ? extends JsonNode> variables, Clock clock, Limits limits) {
    Meter meter = new Meter(limits);
    Scope globals = new Scope();
    Globals.define(globals, clock, meter);
    Scope outer = globals.inner();
    variables.forEach((name, value) -> outer.set(name, Values.of(value)));
    Renderer renderer = new Renderer(meter);
    try {
      return renderer.render(statements, outer.inner());
    } catch (Failure e) {
      throw e.at(source, renderer.at());
    } catch (StackOverflowError e) {
      throw new Failure(Failure.Kind.LIMIT, "values or calls are nested too deep")
          .at(source, renderer.at());
    }
  }
}
