package io.hydrahead.model;

import io.hydrahead.json.Spelling;
import io.hydrahead.tensor.InputException;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;

/** Typed access to the fields of a JSON object, with errors that name the file, field and value. */
record ConfigFields(JsonNode json, String prefix, String source) {

  InputException wrong(String field, String complaint) {
    return new InputException(source + ": " + prefix + field + " " + complaint);
  }

  boolean has(String field) {
    JsonNode n = json.get(field);
    return n != null && !n.isNull();
  }

  /** The error of a field that must be there; it names one that is spelt nearly alike. */
  private InputException missing(String field) {
    return wrong(
        field,
        "is missing"
            + Spelling.nearest(field, json.propertyNames().stream())
                .map(n -> " (there is '" + n + "': is it meant?)")
                .orElse(""));
  }

  /** The object in {@code field}, which must be one. */
  ConfigFields object(String field) {
    JsonNode n = json.path(field);
    if (!n.isObject()) {
      throw n.isMissingNode() ? missing(field) : wrong(field, "should be an object, not " + n);
    }
    return new ConfigFields(n, prefix + field + ".", source);
  }

  /** A whole number in 1 … {@code max}. */
  int positive(String field, int max) {
    if (!has(field)) {
      throw missing(field);
    }
    return positive(field, max, 0);
  }

  int positive(String field, int max, int otherwise) {
    if (!has(field)) {
      return otherwise;
    }
    int v = whole(json.get(field), field);
    if (v < 1 || v > max) {
      throw wrong(field, "should be between 1 and " + max + ", not " + v);
    }
    return v;
  }

  private int whole(JsonNode n, String field) {
    if (!n.isIntegralNumber() || !n.canConvertToInt()) {
      throw wrong(field, "should be a whole number, not " + n);
    }
    return n.intValue();
  }

  double number(String field, double otherwise) {
    if (!has(field)) {
      return otherwise;
    }
    JsonNode n = json.get(field);
    if (!n.isNumber() || !Double.isFinite(n.doubleValue())) {
      throw wrong(field, "should be a number, not " + n);
    }
    return n.doubleValue();
  }

  double positiveNumber(String field, double otherwise) {
    double v = number(field, otherwise);
    if (v <= 0) {
      throw wrong(field, "should be above 0, not " + v);
    }
    return v;
  }

  boolean truth(String field, boolean otherwise) {
    if (!has(field)) {
      return otherwise;
    }
    JsonNode n = json.get(field);
    if (!n.isBoolean()) {
      throw wrong(field, "should be true or false, not " + n);
    }
    return n.booleanValue();
  }

  String text(String field, String otherwise) {
    if (!has(field)) {
      return otherwise;
    }
    JsonNode n = json.get(field);
    if (!n.isString()) {
      throw wrong(field, "should be a string, not " + n);
    }
    return n.stringValue();
  }

  /** A token id, a list of them, or none. */
  List<Integer> tokenIds(String field, int vocabSize) {
    List<Integer> out = new ArrayList<>();
    if (has(field)) {
      JsonNode n = json.get(field);
      for (JsonNode id : n.isArray() ? n : List.of(n)) {
        int v = whole(id, field);
        if (v < 0 || v >= vocabSize) {
          throw wrong(field, v + " is outside the vocabulary of " + vocabSize);
        }
        out.add(v);
      }
    }
    return out;
  }

  /** One list of whole numbers a layer. */
  List<List<Integer>> lists(String field) {
    JsonNode n = json.path(field);
    if (!n.isArray()) {
      throw n.isMissingNode()
          ? missing(field)
          : wrong(field, "should be a list of lists, one a layer");
    }
    List<List<Integer>> out = new ArrayList<>();
    for (JsonNode row : n) {
      if (!row.isArray()) {
        throw wrong(field, "should hold a list for every layer, not " + row);
      }
      List<Integer> heads = new ArrayList<>();
      for (JsonNode h : row) {
        heads.add(whole(h, field));
      }
      out.add(heads);
    }
    return out;
  }
}
