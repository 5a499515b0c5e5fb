# Finds a JDK 25.0.3 or newer and exports JAVA_HOME. Sourced by ./mvnw and ./hydrahead; POSIX sh.
#
# Order: JAVA_HOME, the java on PATH, then the folders where package managers, SDKMAN, IDEs and
# macOS put JDKs. 25.0.3 is the first without a G1 bug that moves pinned arrays.

# Streams that were closed (>&-) would make the tools below fail, and the JVM open files in their
# places. Opened this way stdout still refuses to be written to, so that lost data is noticed.
{ true 9<&0; } 2>/dev/null || exec 0</dev/null
true 9>&2 || exec 2>/dev/null
{ true 9>&1; } 2>/dev/null || exec 1</dev/null

# Prints the version of the JDK in folder $1, from its release file; nothing if it is none.
hydrahead_jdk_version() {
  [ -x "$1/bin/java" ] && [ -x "$1/bin/javac" ] || return 0
  if [ -r "$1/release" ]; then
    sed -n 's/^JAVA_VERSION="\([^"]*\)".*/\1/p' "$1/release" | head -n 1
  else
    "$1/bin/java" -version 2>&1 | sed -n 's/^[^"]*version "\([^"]*\)".*/\1/p' | head -n 1
  fi
}

# Whether version $1 is at least 25.0.3.
hydrahead_jdk_new_enough() {
  printf '%s\n' "$1" | awk -F'[.+_-]' '{
    major = $1 + 0; minor = $2 + 0; patch = $3 + 0
    exit !(major > 25 || (major == 25 && (minor > 0 || patch >= 3)))
  }'
}

# Exports JAVA_HOME=$1 if that is a JDK new enough; remembers what it saw for the error message.
hydrahead_try_jdk() {
  [ -n "$1" ] || return 1
  hydrahead_v=$(hydrahead_jdk_version "$1")
  [ -n "$hydrahead_v" ] || return 1
  if hydrahead_jdk_new_enough "$hydrahead_v"; then
    JAVA_HOME=$1
    export JAVA_HOME
    return 0
  fi
  hydrahead_seen="$hydrahead_seen
  $1 ($hydrahead_v)"
  return 1
}

hydrahead_find_jdk() {
  hydrahead_seen=
  hydrahead_try_jdk "${JAVA_HOME-}" && return 0

  hydrahead_java=$(command -v java 2>/dev/null || :)
  if [ -n "$hydrahead_java" ]; then
    # Follow links: /usr/bin/java -> /etc/alternatives/java -> the JDK.
    while [ -L "$hydrahead_java" ]; do
      hydrahead_link=$(readlink "$hydrahead_java")
      case $hydrahead_link in
        /*) hydrahead_java=$hydrahead_link ;;
        *) hydrahead_java=${hydrahead_java%/*}/$hydrahead_link ;;
      esac
    done
    hydrahead_bin=$(cd "${hydrahead_java%/*}" 2>/dev/null && pwd -P) &&
      hydrahead_try_jdk "${hydrahead_bin%/bin}" && return 0
  fi

  for hydrahead_d in \
    /usr/lib/jvm/* /usr/lib64/jvm/* /usr/java/* /usr/local/java/* /usr/local/openjdk* \
    "${SDKMAN_DIR:-${HOME-}/.sdkman}"/candidates/java/* \
    "${HOME-}"/.jdks/* "${HOME-}"/.gradle/jdks/* "${HOME-}"/.asdf/installs/java/* \
    "${HOME-}"/.local/share/mise/installs/java/* "${HOME-}"/.jbang/cache/jdks/* \
    /opt/* /opt/java/* /opt/jdk/* \
    /Library/Java/JavaVirtualMachines/*/Contents/Home \
    "${HOME-}"/Library/Java/JavaVirtualMachines/*/Contents/Home \
    /opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home \
    /usr/local/opt/openjdk*/libexec/openjdk.jdk/Contents/Home; do
    hydrahead_try_jdk "$hydrahead_d" && return 0
  done

  {
    echo "HydraHead needs a JDK 25.0.3 or newer, and none was found."
    if [ -n "$hydrahead_seen" ]; then
      echo "Older ones seen:$hydrahead_seen"
    fi
    echo "Install one, then try again:"
    echo "  Debian, Ubuntu   sudo apt install openjdk-25-jdk, or Temurin: https://adoptium.net/installation/linux/"
    echo "  Fedora, RHEL     sudo dnf install java-25-openjdk-devel"
    echo "  macOS            brew install openjdk@25"
    echo "  anywhere         curl -s https://get.sdkman.io | bash && sdk install java 25.0.3-tem"
    echo "  by hand          https://adoptium.net/temurin/releases/?version=25"
    echo "If it lies in an unusual folder: export JAVA_HOME=/path/to/jdk-25"
  } >&2
  return 1
}

hydrahead_find_jdk || exit 2
