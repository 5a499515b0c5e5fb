package io.hydrahead.data;

/** What a stretch of training text is; each kind has its own weight in the loss. */
public enum Part {
  /** Haystack, template and question. */
  FILLER,
  /** The answer to a question about the context. */
  ANSWER,
  /** A value asked again in a key–value list. */
  KEY_VALUE,
  /** A passage before it is copied. */
  FIRST_COPY,
  /** The copy. */
  SECOND_COPY,
  /** Plain text and code. */
  TEXT
}
