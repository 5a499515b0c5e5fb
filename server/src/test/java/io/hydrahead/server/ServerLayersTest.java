package io.hydrahead.server;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.GeneralCodingRules;
import java.net.Socket;
import java.net.URL;
import org.junit.jupiter.api.Test;

/** The server's house rules: who may know whom, and that it calls nobody. */
class ServerLayersTest {
  private static final JavaClasses SERVER =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .withImportOption(new ImportOption.DoNotIncludeJars())
          .importPackages("io.hydrahead.server");

  @Test
  void theEngineKnowsNoHttpAndTheApiNoServer() {
    noClasses()
        .that()
        .resideInAPackage("io.hydrahead.server.engine..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("io.helidon..", "io.hydrahead.server", "io.hydrahead.server.api..")
        .check(SERVER);
    noClasses()
        .that()
        .resideInAPackage("io.hydrahead.server.api..")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("io.helidon..", "io.hydrahead.server")
        .check(SERVER);
  }

  @Test
  void itMakesNoConnections() {
    noClasses()
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("java.net.http..", "io.helidon.webclient..")
        .check(SERVER);
    noClasses().should().callConstructor(Socket.class, String.class, int.class).check(SERVER);
    noClasses().should().callMethod(URL.class, "openConnection").check(SERVER);
  }

  @Test
  void itPrintsNothing() {
    GeneralCodingRules.NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS.check(SERVER);
  }
}
