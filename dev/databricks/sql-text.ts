// Takes a SQL text with several statements apart, as a query or a file of a sql_task has them.

const TOKEN =
  /'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`]|``)*`|--[^\n]*|\/\*[\s\S]*?\*\/|;|[^'"`;/-]+|[/-]/g;

/** The statements, without comments alone and without the semicolons between them. */
export function statementsOf(text: string): string[] {
  const found: string[] = [];
  let current = '';
  let hasWords = false;
  const end = (): void => {
    if (hasWords) found.push(current.trim());
    current = '';
    hasWords = false;
  };
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === ';') {
      end();
      continue;
    }
    current += token;
    if (!/^(--|\/\*)/.test(token) && token.trim() !== '') hasWords = true;
  }
  end();
  return found;
}
