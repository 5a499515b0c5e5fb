/**
 * Checkpoints on disk: safetensors files (memory-mapped), Hugging Face folders, and the only way in
 * which this project writes results: atomically, under a lock, never over an existing output unless
 * forced.
 */
package io.hydrahead.checkpoint;
