package io.hydrahead.study.run;

import io.hydrahead.data.DataRecipe;
import io.hydrahead.json.Fields;
import io.hydrahead.model.HybridTransformer;
import io.hydrahead.model.ModelFiles;
import io.hydrahead.ops.Ops;
import io.hydrahead.study.StudyFolder;
import io.hydrahead.study.StudyRecipe;
import io.hydrahead.tensor.DType;
import io.hydrahead.tokenizer.Tokenizer;
import io.hydrahead.train.DataCorpus;
import io.hydrahead.train.Stage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What the units of one worker share: the device, opened texts, tokenizers. */
final class Workshop implements AutoCloseable {
  private final StudyRecipe recipe;
  private final StudyFolder folder;
  private final Surroundings around;
  private final Texts texts;
  private final List<AutoCloseable> owned = new ArrayList<>();
  private Ops ops;
  private DType activations;

  /**
   * @param texts that the workers of a process share
   */
  Workshop(StudyRecipe recipe, StudyFolder folder, Surroundings around, Texts texts) {
    this.texts = texts;
    this.recipe = recipe;
    this.folder = folder;
    this.around = around;
  }

  StudyRecipe recipe() {
    return recipe;
  }

  StudyFolder folder() {
    return folder;
  }

  Surroundings around() {
    return around;
  }

  /** Operations for training and evaluation. */
  Ops ops() {
    return ops(DType.BF16);
  }

  /** Operations of which a GPU computes in {@code type}; those of another type end. */
  Ops ops(DType type) {
    if (activations != type) {
      closeOps();
    }
    if (ops == null) {
      ops = around.machine().open(type);
      activations = type;
    }
    return ops;
  }

  /** Folder of the teacher of {@code seed}. */
  Path teacher(int seed) {
    return recipe.pretrains() ? folder.teacher(seed) : recipe.teacher();
  }

  HybridTransformer loadTeacher(int seed, Ops ops) {
    return HybridTransformer.load(teacher(seed), ops, ModelFiles.LoadOptions.FLOAT32);
  }

  Tokenizer tokenizer(int seed) {
    return Tokenizer.load(teacher(seed));
  }

  /** The data of all stages, each source opened once in this process. */
  DataCorpus.Sources sources(List<Stage> stages) {
    Map<String, DataRecipe> byStage = new LinkedHashMap<>();
    stages.forEach(s -> byStage.put(s.name(), data(s.data())));
    return new DataCorpus.Sources(byStage);
  }

  DataRecipe data(Fields data) {
    return texts.open(data, around.say());
  }

  /** Has something closed with this workshop. */
  <T extends AutoCloseable> T own(T thing) {
    owned.add(thing);
    return thing;
  }

  private void closeOps() {
    if (ops != null) {
      ops.close();
      ops = null;
    }
  }

  @Override
  public void close() {
    try {
      for (AutoCloseable a : owned) {
        a.close();
      }
    } catch (Exception e) {
      throw new IllegalStateException("could not be closed", e);
    } finally {
      closeOps();
    }
  }
}
