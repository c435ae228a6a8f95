// Finds a column by the name a definition gives it.

/** Exactly, else case-insensitively where that is unambiguous. */
export const findColumn = <C extends { readonly name: string }>(
  columns: readonly C[],
  name: string,
): C | undefined => {
  const exact = columns.find((column) => column.name === name);
  if (exact !== undefined) return exact;
  const folded = columns.filter((column) => column.name.toLowerCase() === name.toLowerCase());
  return folded.length === 1 ? folded[0] : undefined;
};
