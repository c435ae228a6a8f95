// Texts in visibility queries.

/** A text as a literal of Temporal's query language. */
export const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
