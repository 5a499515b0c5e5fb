package io.hydrahead.ops.gemm;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.System.Logger.Level;
import java.net.JarURLConnection;
import java.net.URL;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.zip.CRC32;

/**
 * Brings native libraries out of jars into {@code $XDG_CACHE_HOME/hydrahead} or {@code
 * ~/.cache/hydrahead}, once: a cached file counts only if its CRC-32 and size are those of the
 * jar's entry, and it gets its name by an atomic rename when it is whole. Where that folder cannot
 * be written, a private temporary folder takes its place and is deleted at exit.
 */
final class NativeCache {
  private static final System.Logger LOG = System.getLogger(NativeCache.class.getName());

  private NativeCache() {}

  /**
   * Folder that holds the named resources of one package side by side.
   *
   * @param label name of the folder inside the cache
   * @throws IOException if a resource is missing or nowhere can be written
   */
  static Path folder(ClassLoader loader, String label, String root, List<String> names)
      throws IOException {
    try {
      Path folder = cacheHome().resolve("native").resolve(label);
      Files.createDirectories(folder);
      for (String name : names) {
        provide(resource(loader, root + name), folder.resolve(name));
      }
      return folder;
    } catch (java.nio.file.FileSystemException | UnsupportedOperationException e) {
      LOG.log(Level.INFO, "native libraries go to a temporary folder: {0}", e.toString());
    }
    Path folder = Files.createTempDirectory("hydrahead-native-");
    folder.toFile().deleteOnExit();
    for (String name : names) {
      Path file = folder.resolve(name);
      provide(resource(loader, root + name), file);
      file.toFile().deleteOnExit();
    }
    return folder;
  }

  /** The user's cache folder, which need not exist. */
  private static Path cacheHome() {
    String xdg = System.getenv("XDG_CACHE_HOME");
    Path base =
        xdg != null && !xdg.isEmpty()
            ? Path.of(xdg)
            : Path.of(System.getProperty("user.home"), ".cache");
    return base.resolve("hydrahead");
  }

  private static URL resource(ClassLoader loader, String name) throws IOException {
    URL url = loader.getResource(name);
    if (url == null) {
      throw new IOException("no resource " + name + " on the class path");
    }
    return url;
  }

  /** Makes {@code target} a whole copy of {@code source}, unless it is one already. */
  static void provide(URL source, Path target) throws IOException {
    var connection = source.openConnection();
    connection.setUseCaches(false);
    try (InputStream in = connection.getInputStream()) {
      long crc = -1;
      long size = -1;
      if (connection instanceof JarURLConnection jar) {
        crc = jar.getJarEntry().getCrc();
        size = jar.getJarEntry().getSize();
        if (Files.isRegularFile(target) && Files.size(target) == size && crc(target) == crc) {
          return;
        }
      }
      Path part =
          Files.createTempFile(target.getParent(), target.getFileName().toString(), ".part");
      try {
        try (OutputStream out = Files.newOutputStream(part)) {
          in.transferTo(out);
        }
        if (crc != -1 && (Files.size(part) != size || crc(part) != crc)) {
          throw new IOException("the copy of " + source + " came out damaged");
        }
        Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
      } finally {
        Files.deleteIfExists(part);
      }
    }
  }

  private static long crc(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file)) {
      CRC32 crc = new CRC32();
      crc.update(channel.map(MapMode.READ_ONLY, 0, channel.size()));
      return crc.getValue();
    }
  }
}
