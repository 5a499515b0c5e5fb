package io.hydrahead.cli;

import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.Comparator;
import java.util.Optional;

/**
 * Where people find a server.
 *
 * @param base {@code http://host:port}, at which a browser gets an answer
 * @param where what else is to be said of it; empty for nothing
 */
record Listening(String base, String where) {

  /**
   * Of a server that listens at {@code uri}: where that stands for all addresses of this machine,
   * one that others reach it by, or its own where it has no other.
   */
  static Listening of(URI uri) {
    String host = uri.getHost().replaceAll("[\\[\\]]", "");
    if (!standsForAll(host)) {
      return new Listening(uri.toString(), "");
    }
    String own = others().map(Listening::spell).orElse("127.0.0.1");
    return new Listening(
        "http://" + own + ":" + uri.getPort(), " at all addresses of this machine (" + host + ")");
  }

  private static boolean standsForAll(String host) {
    try {
      return InetAddress.getByName(host).isAnyLocalAddress();
    } catch (UnknownHostException e) {
      return false; // it listens there, so it had an address a moment ago
    }
  }

  /** An address that other machines can have a way to; IPv4 before IPv6. */
  private static Optional<InetAddress> others() {
    try {
      return NetworkInterface.networkInterfaces()
          .filter(Listening::up)
          .flatMap(NetworkInterface::inetAddresses)
          .filter(a -> !a.isLoopbackAddress() && !a.isLinkLocalAddress())
          .min(Comparator.comparing(a -> !(a instanceof Inet4Address)));
    } catch (SocketException e) {
      return Optional.empty();
    }
  }

  private static boolean up(NetworkInterface n) {
    try {
      return n.isUp();
    } catch (SocketException e) {
      return false;
    }
  }

  private static String spell(InetAddress a) {
    String text = a.getHostAddress().replaceFirst("%.*", "");
    return a instanceof Inet4Address ? text : "[" + text + "]";
  }
}
