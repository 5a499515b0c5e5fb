package io.hydrahead.tokenizer.template;

import java.util.HashMap;
import java.util.Map;

/** Variables of a loop's turn, a macro's call or a whole template, over those around it. */
final class Scope {
  private final Scope around;
  private final Map<String, Object> variables = new HashMap<>();

  /** The outermost scope. */
  Scope() {
    this.around = null;
  }

  private Scope(Scope around) {
    this.around = around;
  }

  Scope inner() {
    return new Scope(this);
  }

  void set(String name, Object value) {
    variables.put(name, value);
  }

  /** The innermost variable of that name, or null. */
  Object find(String name) {
    for (Scope s = this; s != null; s = s.around) {
      Object v = s.variables.get(name);
      if (v != null) {
        return v;
      }
    }
    return null;
  }
}
