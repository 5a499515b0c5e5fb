package io.hydrahead.tokenizer;

import io.hydrahead.checkpoint.AtomicFile;
import io.hydrahead.json.Json;
import java.nio.file.Path;
import java.util.List;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** The files of a trained tokenizer, in the layout of Hugging Face. */
public final class TokenizerFiles {
  /** ChatML, one turn a message. */
  static final String CHAT_TEMPLATE =
      """
      {% for message in messages %}{{'<|im_start|>' + message['role'] + '
      ' + message['content'] + '<|im_end|>' + '
      '}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
      ' }}{% endif %}\
      """;

  private final List<String> special;
  private final List<String> tokens;
  private final List<String[]> merges;

  TokenizerFiles(List<String> special, List<String> tokens, List<String[]> merges) {
    this.special = List.copyOf(special);
    this.tokens = List.copyOf(tokens);
    this.merges = List.copyOf(merges);
  }

  /** Number of tokens. */
  public int vocabSize() {
    return tokens.size();
  }

  /** The tokenizer itself. */
  public Tokenizer tokenizer() {
    return Tokenizer.parse(tokenizerJson(), "tokenizer.json");
  }

  /** Content of {@code tokenizer.json}. */
  public String tokenizerJson() {
    ObjectNode json = Json.object();
    json.put("version", "1.0");
    json.putNull("truncation");
    json.putNull("padding");
    ArrayNode added = json.putArray("added_tokens");
    for (int id = 0; id < special.size(); id++) {
      ObjectNode t = added.addObject();
      t.put("id", id);
      t.put("content", special.get(id));
      for (String flag : List.of("single_word", "lstrip", "rstrip", "normalized")) {
        t.put(flag, false);
      }
      t.put("special", true);
    }
    json.putObject("normalizer").put("type", "NFC");
    ObjectNode steps = json.putObject("pre_tokenizer");
    steps.put("type", "Sequence");
    ArrayNode list = steps.putArray("pretokenizers");
    ObjectNode split = list.addObject();
    split.put("type", "Split");
    split.putObject("pattern").put("Regex", ScannerSplitter.QWEN);
    split.put("behavior", "Isolated");
    split.put("invert", false);
    byteLevel(list.addObject(), false, true, false);
    byteLevel(json.putObject("post_processor"), false, false, false);
    byteLevel(json.putObject("decoder"), true, true, true);
    model(json.putObject("model"));
    return Json.write(json);
  }

  private static void byteLevel(ObjectNode n, boolean space, boolean trim, boolean regex) {
    n.put("type", "ByteLevel");
    n.put("add_prefix_space", space);
    n.put("trim_offsets", trim);
    n.put("use_regex", regex);
  }

  private void model(ObjectNode model) {
    model.put("type", "BPE");
    for (String unused :
        List.of("dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix")) {
      model.putNull(unused);
    }
    for (String off : List.of("fuse_unk", "byte_fallback", "ignore_merges")) {
      model.put(off, false);
    }
    ObjectNode vocab = model.putObject("vocab");
    for (int id = 0; id < tokens.size(); id++) {
      vocab.put(tokens.get(id), id);
    }
    ArrayNode list = model.putArray("merges");
    for (String[] m : merges) {
      list.addArray().add(m[0]).add(m[1]);
    }
  }

  /** Content of {@code tokenizer_config.json} for a model of that native context in tokens. */
  public String tokenizerConfigJson(int modelMaxLength) {
    ObjectNode json = Json.object();
    json.put("backend", "tokenizers");
    if (!special.isEmpty()) {
      json.put("eos_token", special.contains("<|im_end|>") ? "<|im_end|>" : special.getLast());
      json.put("pad_token", special.getFirst());
    }
    json.put("model_max_length", modelMaxLength);
    json.put("tokenizer_class", "TokenizersBackend");
    return Json.write(json);
  }

  /** Content of {@code chat_template.jinja}. */
  public String chatTemplate() {
    return CHAT_TEMPLATE;
  }

  /**
   * Writes all three files into {@code folder}, replacing those that are there.
   *
   * @throws io.hydrahead.tensor.InputException if that cannot be written
   */
  public void save(Path folder, int modelMaxLength) {
    AtomicFile.write(folder.resolve("tokenizer.json"), tokenizerJson());
    AtomicFile.write(folder.resolve("tokenizer_config.json"), tokenizerConfigJson(modelMaxLength));
    AtomicFile.write(folder.resolve("chat_template.jinja"), chatTemplate());
  }
}
