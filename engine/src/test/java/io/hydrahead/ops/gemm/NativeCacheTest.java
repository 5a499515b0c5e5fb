package io.hydrahead.ops.gemm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NativeCacheTest {
  @TempDir Path folder;

  private URL entry(byte[] content) throws IOException {
    Path jar = folder.resolve("library.jar");
    try (OutputStream out = Files.newOutputStream(jar);
        ZipOutputStream zip = new ZipOutputStream(out)) {
      zip.putNextEntry(new ZipEntry("libx.so"));
      zip.write(content);
    }
    return URI.create("jar:" + jar.toUri() + "!/libx.so").toURL();
  }

  @Test
  void copiesOnceAndRepairsWhatIsDamaged() throws IOException {
    byte[] content = new byte[100_000];
    Arrays.fill(content, (byte) 7);
    URL source = entry(content);
    Path target = Files.createDirectory(folder.resolve("cache")).resolve("libx.so");
    NativeCache.provide(source, target);
    assertThat(target).hasBinaryContent(content);

    var before = Files.getLastModifiedTime(target);
    Object key = Files.readAttributes(target, "unix:ino").get("ino");
    NativeCache.provide(source, target);
    assertThat(Files.getLastModifiedTime(target)).isEqualTo(before);
    assertThat(Files.readAttributes(target, "unix:ino").get("ino")).isEqualTo(key);

    byte[] damaged = content.clone();
    damaged[50_000] ^= 1; // the same size
    Files.write(target, damaged);
    NativeCache.provide(source, target);
    assertThat(target).hasBinaryContent(content);
    try (Stream<Path> files = Files.list(target.getParent())) {
      assertThat(files).containsExactly(target);
    }
  }

  @Test
  void saysWhatIsMissing() {
    assertThatThrownBy(() ->
            NativeCache.folder(
                getClass().getClassLoader(), "none", "no/such/", java.util.List.of("lib.so")))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("no/such/lib.so");
  }
}
