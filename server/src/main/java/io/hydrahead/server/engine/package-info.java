/**
 * A model that takes requests: what a request and its tokens are, and the {@link
 * io.hydrahead.server.engine.Scheduler} that works on them. No HTTP.
 */
package io.hydrahead.server.engine;
