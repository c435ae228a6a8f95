// ADO.NET connection strings: "Server=...;User ID=...;Password='a;b'".

/** Keys in lower case without blanks; quoted values keep their semicolons. */
export const connectionStringPairs = (text: string): Map<string, string> => {
  const pairs = new Map<string, string>();
  for (const match of text.matchAll(
    /\s*([^=;]+?)\s*=\s*(?:"((?:[^"]|"")*)"|'((?:[^']|'')*)'|([^;]*))\s*(?:;|$)/g,
  )) {
    const key = (match[1] ?? '').toLowerCase().replaceAll(' ', '');
    const value =
      match[2]?.replaceAll('""', '"') ?? match[3]?.replaceAll("''", "'") ?? match[4]?.trim() ?? '';
    pairs.set(key, value);
  }
  return pairs;
};
