/**
 * JMH benchmarks of single operations. {@code ./hydrahead bench} measures the same and whole models
 * without JMH's isolation; these are for work on a kernel:
 *
 * <pre>
 * ./mvnw -q -pl bench -am process-classes
 * java -cp 'bench/target/lib/*:bench/target/classes:engine/target/classes' \
 *   org.openjdk.jmh.Main Gemm -p backend=java
 * </pre>
 */
package io.hydrahead.bench;
