package io.hydrahead.tokenizer.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.hydrahead.json.Json;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

/** The language itself, against what jinja2 makes of it. */
class TemplateTest {
  private static final Clock CLOCK =
      Clock.fixed(Instant.parse("2026-01-02T03:04:05Z"), ZoneOffset.UTC);
  private static final JsonNode GOLDEN = Json.read(Path.of("src/test/resources/golden/jinja.json"));

  /** Where jinja2 fails. */
  private static final String ERROR = "(an error)";

  private static String render(String template) {
    return render(template, Map.of(), Limits.DEFAULT);
  }

  private static String render(String template, Map<String, JsonNode> variables, Limits limits) {
    return Template.parse(template, "t").render(variables, CLOCK, limits);
  }

  private static Map<String, JsonNode> variables() {
    Map<String, JsonNode> out = new LinkedHashMap<>();
    GOLDEN.path("variables").properties().forEach(p -> out.put(p.getKey(), p.getValue()));
    return out;
  }

  @Test
  void expressionsAndTagsEqualJinja2() {
    Map<String, JsonNode> variables = variables();
    List<String> wrong = new ArrayList<>();
    assertThat(GOLDEN.path("cases").size()).isGreaterThan(500);
    for (JsonNode c : GOLDEN.path("cases")) {
      String template = c.path("template").stringValue();
      String expected = c.path("expected").asString(ERROR);
      String got;
      try {
        got = render(template, variables, Limits.DEFAULT);
      } catch (TemplateException e) {
        got = expected.equals(ERROR) ? ERROR : e.getMessage();
      }
      if (!got.equals(expected)) {
        wrong.add(template + "\n  expected " + expected + "\n  but was  " + got);
      }
    }
    assertThat(wrong).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "a{% foo %}                      | 1 | 5  | no tag 'foo'",
        "`x\n  {{ n|nosuch }}`           | 2 | 8  | no filter 'nosuch'",
        "`x\n\n{% if n is nosuch %}`     | 3 | 12 | no test 'nosuch'",
        "{% include 'x' %}               | 1 | 4  | 'include' is not supported",
        "{{ 'é🦊' $ }}                   | 1 | 9  | unexpected character '$'",
        "{% if x %}{% endfor %}          | 1 | 14 | 'endif' comes first",
        "{% for x in y %}                | 1 | 17 | 'endfor' is missing",
        "{{ (1 }}                        | 1 | 7  | unexpected '}'",
        "{{ 1                            | 1 | 1  | does not end",
        "{% set x = %}                   | 1 | 12 | expected an expression",
        "{% break %}                     | 1 | 4  | outside a loop",
      })
  void refusesAtLoadWithItsPlace(String template, int line, int column, String message) {
    assertThatThrownBy(() -> Template.parse(template, "t"))
        .isInstanceOfSatisfying(
            TemplateException.class,
            e -> {
              assertThat(e).hasMessageContaining(message).hasMessageStartingWith("t, line " + line);
              assertThat(e.line()).isEqualTo(line);
              assertThat(e.column()).isEqualTo(column);
            });
  }

  @Test
  void errorsWhileRenderingNameTheirPlace() {
    assertThatThrownBy(() -> render("a\n{{ 'x' + none }}"))
        .isInstanceOf(TemplateException.class)
        .hasMessage("t, line 2, column 8: values of type str and none cannot be added");
    assertThatThrownBy(() -> render("{% set m = {} %}\n\n  {{ m.a.b }}"))
        .hasMessage("t, line 3, column 10: a value of type dict has no 'a'");
  }

  @Test
  void whatATemplateRaisesKeepsItsWords() {
    assertThatThrownBy(() -> render("\n{{ raise_exception('only ' ~ 1 ~ ' user\nhere') }}"))
        .isInstanceOfSatisfying(
            RaisedException.class,
            e -> {
              assertThat(e.reason()).isEqualTo("only 1 user\nhere");
              assertThat(e.line()).isEqualTo(2);
            });
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{% for i in range(99999) %}{% for j in range(99999) %}{{ i * j }}{% endfor %}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{{ 'x' * 999999999 }}",
        "{{ 'xxxxxxxxxxxxxxxx' * 999999999999 }}",
        "{{ [0] * 2147483647 }}",
        "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
        "{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
        "{% set n = namespace(s=[0]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
        "{% set n = namespace(s=9) %}{% for i in range(99) %}{% set n.s = n.s * n.s %}{% endfor %}",
        "{% set n = namespace(s='ab') %}{% for i in range(99) %}"
            + "{% set n.s = n.s.replace('a', n.s) %}{% endfor %}",
        "{{ 2 ** 99999999 }}",
        "{{ 10 ** 99999 }}",
        "{{ 'a'.center(999999999) }}",
        "{{ 'a'|indent(999999999) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ [1]|tojson(indent=999999999) }}",
        "{{ range(999999999)|list }}",
        "{% set n = namespace(l=[]) %}{% for i in range(99999) %}{% set n.l = [n.l] %}{% endfor %}"
            + "{{ n.l }}",
        "{% set n = namespace(l=[]) %}{% for i in range(99999) %}{% set n.l = [n.l] %}{% endfor %}"
            + "{{ n.l|tojson }}",
        "{% set n = namespace(l=[], k=[]) %}{% for i in range(99999) %}{% set n.l = [n.l] %}"
            + "{% set n.k = [n.k] %}{% endfor %}{{ n.l == n.k }}",
      })
  void bounded(String template) {
    Template t = Template.parse(template, "t");
    Limits limits = new Limits(1 << 20, 2_000_000, 100);
    assertThatThrownBy(() -> t.render(Map.of(), CLOCK, limits)).isInstanceOf(LimitException.class);
  }

  @Test
  void deepNestingIsRefusedAtLoad() {
    String open = "{% if 1 %}".repeat(5000);
    assertThatThrownBy(() -> Template.parse(open, "t")).hasMessageContaining("nested more than");
    for (String s : List.of("(", "[", "not ", "-", "{1:", "f(", "1 if ")) {
      assertThatThrownBy(() -> Template.parse("{{ " + s.repeat(5000) + "1", "t"))
          .as(s)
          .isInstanceOf(TemplateException.class);
    }
    String flat = "{{ 1" + " + 1".repeat(3000) + " }}";
    assertThatThrownBy(() -> render(flat.repeat(1), Map.of(), new Limits(10, 10, 10)))
        .isInstanceOf(LimitException.class);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '@',
      quoteCharacter = '`',
      value = {
        "{{ a.b['c'] }} {# d #} e @ a",
        "{% set a = 1 %}{{ a }} @ ",
        "{% set a = a or b %}{{ a }} @ a b",
        "{% if x is defined %}{% set a = 1 %}{% endif %}{{ a }} @ x a",
        "{% if x %}{% set a = 1 %}{% else %}{% set a = 2 %}{% endif %}{{ a }} @ x",
        "{% for a in b if c %}{{ a }}{{ loop.index }}{% set d = 1 %}{% else %}{{ a }}{% endfor %}{{ d }} @ b c a d",
        "{% macro f(a, b=g) %}{{ a }}{{ b }}{{ c }}{{ caller() }}{% endmacro %}{{ f(d, b=e) }} @ g c d e",
        "{% call(x) y(1) %}{{ x }}{{ z }}{% endcall %} @ z y",
        "{% with a = b %}{{ a }}{% endwith %}{{ a }} @ b a",
        "{% set ns.field = v %}{{ ns.field }} @ v ns",
        "{% set a | upper %}{{ b }}{% endset %}{{ a }} @ b",
        "{% filter replace(a, 'b') %}{{ c }}{% endfilter %} @ c a",
        "{{ x if y else z }}{{ [p, (q, r)] }}{{ {s: t}[u:v:w] }}{{ -m ~ n }}{{ not o }} @ y x z p q r s t u v w m n o",
        "{{ a < b in c }}{{ d and e or f }}{{ g(*h, **i) | join(j) }}{{ k is divisibleby l }} @ a b c d e f g h i j k l",
        "{% generation %}{% set a = b %}{% endgeneration %}{{ a }} @ b a",
      })
  void variablesFromOutside(String template, String names) {
    String[] wanted = names == null ? new String[0] : names.split(" ");
    assertThat(Template.parse(template, "t").variables()).containsExactlyInAnyOrder(wanted);
  }

  /** Damaged templates give an error or a text, never another exception or a hang. */
  @Test
  void damagedTemplates() {
    List<String> all = new ArrayList<>();
    GOLDEN.path("cases").forEach(c -> all.add(c.path("template").stringValue()));
    Random random = new Random(11);
    Map<String, JsonNode> variables = variables();
    Limits limits = new Limits(100_000, 200_000, 50);
    for (int i = 0; i < 20_000; i++) {
      StringBuilder t = new StringBuilder(all.get(random.nextInt(all.size())));
      for (int k = random.nextInt(4); k >= 0; k--) {
        String other = all.get(random.nextInt(all.size()));
        int from = random.nextInt(other.length());
        int to = from + random.nextInt(other.length() - from + 1);
        int at = random.nextInt(t.length() + 1);
        int end = Math.min(t.length(), at + random.nextInt(4));
        t.replace(at, end, other.substring(from, to));
      }
      try {
        render(t.toString(), variables, limits);
      } catch (TemplateException e) {
        assertThat(e.line()).isPositive();
      } catch (RuntimeException e) {
        throw new AssertionError("template: " + t, e);
      }
    }
  }
}
