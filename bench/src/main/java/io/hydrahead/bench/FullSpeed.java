package io.hydrahead.bench;

import org.openjdk.jmh.annotations.Fork;

/** A benchmark in a JVM of its own, with the flags of {@code ./hydrahead}. */
@Fork(
    value = 1,
    jvmArgsAppend = {
      "--add-modules=jdk.incubator.vector",
      "--enable-native-access=ALL-UNNAMED",
      "-XX:Tier3DelayOn=1000000"
    })
abstract class FullSpeed {}
