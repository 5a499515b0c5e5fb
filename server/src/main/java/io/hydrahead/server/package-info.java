/**
 * The HTTP server: OpenAI's API over an {@link io.hydrahead.server.engine.Engine}.
 *
 * <pre>{@code
 * try (var engine = Engine.open(Path.of("models/tiny-teacher"));
 *     var server = HydraServer.start(engine, ServerOptions.DEFAULT)) {
 *   System.out.println(server.uri());
 *   …
 * }
 * }</pre>
 */
package io.hydrahead.server;
