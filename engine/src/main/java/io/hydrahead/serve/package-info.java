/**
 * Serving: several texts on one model at once, with a cache of prefixes. Driven by one thread; who
 * reads and who decodes next is the caller's to decide.
 */
package io.hydrahead.serve;
