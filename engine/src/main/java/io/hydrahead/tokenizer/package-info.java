/**
 * Byte-level byte-pair encoding from a Hugging Face {@code tokenizer.json}, with the same results
 * as Hugging Face tokenizers, and a trainer that writes such a file.
 *
 * <p>Text → added tokens → NFC → pieces ({@link io.hydrahead.tokenizer.Splitter}) → UTF-8 bytes →
 * merges ({@link io.hydrahead.tokenizer.MergeTable}) → ids.
 */
package io.hydrahead.tokenizer;
