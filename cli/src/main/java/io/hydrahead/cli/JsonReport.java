package io.hydrahead.cli;

import io.hydrahead.json.Json;
import java.io.PrintWriter;
import tools.jackson.databind.node.ObjectNode;

/** The JSON that commands print: every object says its schema, its version and its sources. */
final class JsonReport {
  /** Raised when a field changes its meaning or goes away; new fields do not count. */
  static final int SCHEMA_VERSION = 1;

  private JsonReport() {}

  /** An object with the fields that are always there. */
  static ObjectNode begin(String schema, CommonOptions common) {
    ObjectNode o = Json.object();
    o.put("schema", "hydrahead." + schema);
    o.put("schema_version", SCHEMA_VERSION);
    o.put("version", BuildInfo.version());
    o.put("commit", BuildInfo.commit());
    o.put("command", common.commandLine());
    o.put("seed", common.seed());
    return o;
  }

  static void print(ObjectNode o, PrintWriter out) {
    out.println(Json.write(o).strip());
    out.flush();
  }
}
