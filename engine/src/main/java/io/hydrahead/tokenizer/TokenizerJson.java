package io.hydrahead.tokenizer;

import io.hydrahead.json.Json;
import io.hydrahead.tensor.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;

/**
 * What a {@code tokenizer.json} says, checked. Anything that would change the ids and that this
 * package does not do is refused by its field's name; {@code truncation} and {@code padding}, which
 * only concern batches, are ignored.
 *
 * @param nfc whether text is normalised to NFC
 * @param added by ascending id
 */
record TokenizerJson(
    Vocabulary vocabulary,
    MergeTable merges,
    boolean ignoreMerges,
    boolean nfc,
    Splitter splitter,
    List<AddedToken> added) {
  private static final int MAX_ID = 1 << 24;

  static TokenizerJson read(Path file) {
    return new Reader(file.toString()).tokenizer(Json.read(file));
  }

  static TokenizerJson parse(String json, String source) {
    return new Reader(source).tokenizer(Json.parse(json, source));
  }

  private record Reader(String source) {

    private InputException wrong(String field, String complaint) {
      return new InputException(source + ": " + field + " " + complaint);
    }

    TokenizerJson tokenizer(JsonNode json) {
      JsonNode model = json.path("model");
      String type = model.path("type").asString("BPE");
      if (!model.isObject() || !type.equals("BPE")) {
        throw wrong(
            "model",
            model.isObject() ? "type '" + type + "' is not supported, only 'BPE'" : "is missing");
      }
      refuseModelOptions(model);
      Map<String, Integer> vocab = vocab(model.path("vocab"));
      List<AddedToken> added = added(json.path("added_tokens"), vocab);
      Map<String, Integer> all = new HashMap<>(vocab);
      added.forEach(t -> all.put(t.content(), t.id()));
      checkDecoder(json.path("decoder"));
      checkPostProcessor(json.path("post_processor"));
      return new TokenizerJson(
          new Vocabulary(vocab, all, source),
          merges(model.path("merges"), vocab),
          flag(model, "ignore_merges", "model.ignore_merges"),
          nfc(json.path("normalizer"), "normalizer"),
          splitter(json.path("pre_tokenizer")),
          added);
    }

    private void refuseModelOptions(JsonNode model) {
      if (model.path("dropout").asDouble(0) != 0) {
        throw wrong("model.dropout", "is not supported");
      }
      for (String field : List.of("continuing_subword_prefix", "end_of_word_suffix")) {
        if (!model.path(field).asString("").isEmpty()) {
          throw wrong("model." + field, "is not supported");
        }
      }
      if (flag(model, "byte_fallback", "model.byte_fallback")) {
        throw wrong("model.byte_fallback", "is not supported: the vocabulary must be byte-level");
      }
    }

    private boolean flag(JsonNode owner, String name, String field) {
      JsonNode n = owner.path(name);
      if (n.isMissingNode() || n.isNull()) {
        return false;
      }
      if (!n.isBoolean()) {
        throw wrong(field, "should be true or false, not " + n);
      }
      return n.booleanValue();
    }

    private int id(JsonNode n, String field) {
      if (!n.isIntegralNumber()
          || !n.canConvertToInt()
          || n.intValue() < 0
          || n.intValue() > MAX_ID) {
        throw wrong(field, "should be an id between 0 and " + MAX_ID + ", not " + n);
      }
      return n.intValue();
    }

    private Map<String, Integer> vocab(JsonNode json) {
      if (!json.isObject()) {
        throw wrong("model.vocab", "should be an object of tokens and ids");
      }
      Map<String, Integer> vocab = HashMap.newHashMap(json.size());
      for (Map.Entry<String, JsonNode> e : json.properties()) {
        vocab.put(e.getKey(), id(e.getValue(), "model.vocab '" + e.getKey() + "'"));
      }
      return vocab;
    }

    private MergeTable merges(JsonNode json, Map<String, Integer> vocab) {
      if (!json.isArray()) {
        throw wrong("model.merges", "should be a list");
      }
      MergeTable table = new MergeTable(json.size());
      int rank = 0;
      for (JsonNode merge : json) {
        String field = "model.merges[" + rank + "]";
        String left;
        String right;
        if (merge.isArray() && merge.size() == 2) {
          left = merge.get(0).asString("");
          right = merge.get(1).asString("");
        } else {
          String[] pair = merge.asString("").split(" ", -1);
          if (pair.length != 2) {
            throw wrong(field, "should be a pair of tokens, not " + merge);
          }
          left = pair[0];
          right = pair[1];
        }
        table.put(
            token(left, vocab, field),
            token(right, vocab, field),
            rank++,
            token(left + right, vocab, field));
      }
      return table;
    }

    private int token(String token, Map<String, Integer> vocab, String field) {
      Integer id = vocab.get(token);
      if (id == null) {
        throw wrong(field, "needs the token '" + token + "', which model.vocab lacks");
      }
      return id;
    }

    private List<AddedToken> added(JsonNode json, Map<String, Integer> vocab) {
      List<AddedToken> out = new ArrayList<>();
      Map<String, Integer> seen = new HashMap<>();
      if (!json.isArray() && !json.isMissingNode() && !json.isNull()) {
        throw wrong("added_tokens", "should be a list");
      }
      for (JsonNode t : json) {
        String field = "added_tokens[" + out.size() + "]";
        String content = t.path("content").asString("");
        int id = id(t.path("id"), field + ".id");
        if (content.isEmpty()) {
          throw wrong(field + ".content", "is missing or empty");
        }
        int inVocab = vocab.getOrDefault(content, id);
        if (inVocab != id) {
          throw wrong(field, "gives '" + content + "' the id " + id + ", model.vocab " + inVocab);
        }
        if (seen.put(content, id) != null) {
          throw wrong(field, "repeats '" + content + "'");
        }
        out.add(
            new AddedToken(
                id,
                content,
                flag(t, "special", field + ".special"),
                flag(t, "normalized", field + ".normalized"),
                flag(t, "single_word", field + ".single_word"),
                flag(t, "lstrip", field + ".lstrip"),
                flag(t, "rstrip", field + ".rstrip")));
      }
      out.sort(Comparator.comparingInt(AddedToken::id));
      return List.copyOf(out);
    }

    private boolean nfc(JsonNode json, String field) {
      if (json.isMissingNode() || json.isNull()) {
        return false;
      }
      String type = json.path("type").asString("");
      if (type.equals("Sequence") && json.path("normalizers").isArray()) {
        boolean any = false;
        for (JsonNode part : json.path("normalizers")) {
          any |= nfc(part, field);
        }
        return any;
      }
      if (!type.equals("NFC")) {
        throw wrong(field, "'" + type + "' is not supported, only NFC or none");
      }
      return true;
    }

    private Splitter splitter(JsonNode json) {
      List<JsonNode> steps = new ArrayList<>();
      if (json.path("type").asString("").equals("Sequence")) {
        json.path("pretokenizers").forEach(steps::add);
      } else {
        steps.add(json);
      }
      Splitter out = Splitter.WHOLE;
      boolean bytes = false;
      for (JsonNode step : steps) {
        if (bytes) {
          throw wrong("pre_tokenizer", "has a step after ByteLevel, which is not supported");
        }
        String type = step.path("type").asString("");
        switch (type) {
          case "Split" -> out = out.then(split(step));
          case "Digits" ->
              out =
                  out.then(
                      new DigitsSplitter(
                          flag(step, "individual_digits", "pre_tokenizer.individual_digits")));
          case "ByteLevel" -> {
            bytes = true;
            if (flag(step, "add_prefix_space", "pre_tokenizer.add_prefix_space")) {
              throw wrong("pre_tokenizer.add_prefix_space", "true is not supported");
            }
            if (!step.has("use_regex") || flag(step, "use_regex", "pre_tokenizer.use_regex")) {
              out = out.then(ScannerSplitter.of(ScannerSplitter.GPT2).orElseThrow());
            }
          }
          default -> throw wrong("pre_tokenizer", "'" + type + "' is not supported");
        }
      }
      if (!bytes) {
        throw wrong("pre_tokenizer", "has no ByteLevel step: only byte-level BPE is supported");
      }
      return out;
    }

    private Splitter split(JsonNode step) {
      String field = "pre_tokenizer.Split";
      String behavior = step.path("behavior").asString("");
      if (!behavior.equals("Isolated")) {
        throw wrong(field + ".behavior", "'" + behavior + "' is not supported, only 'Isolated'");
      }
      if (flag(step, "invert", field + ".invert")) {
        throw wrong(field + ".invert", "true is not supported");
      }
      JsonNode pattern = step.path("pattern");
      if (pattern.path("String").isString()) {
        return new RegexSplitter(
            Pattern.compile(Pattern.quote(pattern.get("String").stringValue())));
      }
      if (!pattern.path("Regex").isString()) {
        throw wrong(field + ".pattern", "should be a Regex or a String, not " + pattern);
      }
      String regex = pattern.get("Regex").stringValue();
      return ScannerSplitter.of(regex)
          .orElseGet(() -> RegexSplitter.of(regex, source + ": " + field + ".pattern"));
    }

    private void checkDecoder(JsonNode json) {
      String type = json.path("type").asString("");
      if (!type.equals("ByteLevel")) {
        throw wrong("decoder", "'" + type + "' is not supported, only 'ByteLevel'");
      }
    }

    private void checkPostProcessor(JsonNode json) {
      if (json.isMissingNode() || json.isNull()) {
        return;
      }
      String type = json.path("type").asString("");
      switch (type) {
        case "ByteLevel" -> {}
        case "Sequence" -> json.path("processors").forEach(this::checkPostProcessor);
        case "TemplateProcessing" -> {
          for (JsonNode part : json.path("single")) {
            if (!part.has("Sequence")) {
              throw wrong("post_processor", "adds tokens to every text, which is not supported");
            }
          }
        }
        default -> throw wrong("post_processor", "'" + type + "' is not supported");
      }
    }
  }
}
