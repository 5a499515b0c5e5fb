package io.hydrahead.plan;

/**
 * Where a file between the steps comes from; every such file carries these fields.
 *
 * @param checkpoint folder of the model that was worked on
 * @param commit of the program that wrote the file; empty if unknown
 * @param command the command line that wrote it
 * @param seed of everything random in it
 */
public record Provenance(String checkpoint, String commit, String command, long seed) {
  /** Nothing known. */
  public static final Provenance NONE = new Provenance("", "", "", 0);
}
