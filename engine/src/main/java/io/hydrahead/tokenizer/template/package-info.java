/**
 * A strict interpreter of the part of Jinja that chat templates are written in, with the results of
 * jinja2 3.1 as Hugging Face transformers sets it up: {@code trim_blocks}, {@code lstrip_blocks},
 * no escaping, loop controls, an immutable sandbox.
 *
 * <p>{@link io.hydrahead.tokenizer.template.Lexer source → tokens}, {@link
 * io.hydrahead.tokenizer.template.Parser tokens → nodes}, {@link
 * io.hydrahead.tokenizer.template.Renderer nodes → text}. Values are those of Python: a {@code
 * String} counts in code points, an integer is a {@code Long} or, beyond it, a {@code BigInteger},
 * a list is a {@code List}, a dictionary a {@code Map}; see {@link
 * io.hydrahead.tokenizer.template.Values}.
 */
package io.hydrahead.tokenizer.template;
