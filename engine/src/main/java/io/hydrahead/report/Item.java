package io.hydrahead.report;

import io.hydrahead.tensor.InputException;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;

/** One object of a file, read leniently: further fields are free, but those used must be right. */
record Item(JsonNode node, String path, String file) {
  static List<Item> list(JsonNode parent, String name, String file) {
    JsonNode list = parent.get(name);
    List<Item> out = new ArrayList<>();
    if (list == null || list.isNull()) {
      return out;
    }
    if (!list.isArray()) {
      throw new InputException(file + ": " + name + " should be a list");
    }
    for (JsonNode element : list) {
      String path = name + "[" + out.size() + "]";
      if (!element.isObject()) {
        throw new InputException(file + ": " + path + " should be an object, not " + element);
      }
      out.add(new Item(element, path + ".", file));
    }
    return out;
  }

  InputException wrong(String name, String fix) {
    JsonNode value = node.get(name);
    return new InputException(
        file + ": " + path + name + " is " + (value == null ? "missing" : value) + "; it " + fix);
  }

  boolean has(String name) {
    JsonNode value = node.get(name);
    return value != null && !value.isNull();
  }

  String text(String name) {
    if (!has(name) || !node.get(name).isString() || node.get(name).stringValue().isBlank()) {
      throw wrong(name, "should be a text");
    }
    return node.get(name).stringValue();
  }

  String textOr(String name, String fallback) {
    return has(name) && !(node.get(name).isString() && node.get(name).stringValue().isEmpty())
        ? text(name)
        : fallback;
  }

  /** Any value as text; empty if there is none. */
  String plain(String name) {
    if (!has(name)) {
      return "";
    }
    return node.get(name).isString() ? node.get(name).stringValue() : node.get(name).toString();
  }

  double number(String name) {
    if (!has(name)
        || !node.get(name).isNumber()
        || !Double.isFinite(node.get(name).doubleValue())) {
      throw wrong(name, "should be a number");
    }
    return node.get(name).doubleValue();
  }

  double numberOr(String name, double fallback) {
    return has(name) ? number(name) : fallback;
  }

  double[] numbers(String name) {
    JsonNode list = node.get(name);
    if (list == null || !list.isArray()) {
      throw wrong(name, "should be a list of numbers");
    }
    double[] out = new double[list.size()];
    for (int i = 0; i < out.length; i++) {
      if (!list.get(i).isNumber()) {
        throw wrong(name, "should hold numbers only");
      }
      out[i] = list.get(i).doubleValue();
    }
    return out;
  }

  double[][] matrix(String name) {
    JsonNode rows = node.get(name);
    if (rows == null || !rows.isArray() || rows.isEmpty()) {
      throw wrong(name, "should be a list of lists of numbers");
    }
    double[][] out = new double[rows.size()][];
    for (int i = 0; i < out.length; i++) {
      JsonNode row = rows.get(i);
      boolean numbers = row.isArray() && !row.isEmpty() && row.size() == rows.get(0).size();
      for (JsonNode v : row) {
        numbers &= v.isNumber();
      }
      if (!numbers) {
        throw new InputException(
            file
                + ": "
                + path
                + name
                + "["
                + i
                + "] should be a list of "
                + (i == 0 ? "numbers" : rows.get(0).size() + " numbers"));
      }
      out[i] = new double[row.size()];
      for (int j = 0; j < out[i].length; j++) {
        out[i][j] = row.get(j).doubleValue();
      }
    }
    return out;
  }

  List<List<Integer>> lists(String name) {
    List<List<Integer>> out = new ArrayList<>();
    if (!has(name)) {
      return out;
    }
    for (JsonNode row : node.get(name)) {
      List<Integer> heads = new ArrayList<>();
      for (JsonNode head : row) {
        if (!head.isIntegralNumber() || head.asInt(-1) < 0) {
          throw wrong(name, "should be a list of lists of head indices");
        }
        heads.add(head.intValue());
      }
      out.add(List.copyOf(heads));
    }
    return out;
  }
}
