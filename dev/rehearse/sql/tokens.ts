// Cuts SQL of any of the four dialects into words, names, numbers, texts and signs; comments go.

export interface Token {
  readonly kind: 'word' | 'name' | 'number' | 'text' | 'variable' | 'sign';
  /** A quoted name without its quotes, a text without its. */
  readonly text: string;
  /** The text in lower case, for words and quoted names alike. */
  readonly lower: string;
}

const PIECE =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|N?'((?:[^']|'')*)(?:'|$)|\[((?:[^\]]|\]\])*)\]|"((?:[^"]|"")*)"|`([^`]*)`|(@@?[\w$#]+)|(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([\p{L}_#$][\p{L}\p{N}_$#]*)|(<>|!=|>=|<=|\|\||::|\S)/gu;

/** What a database makes of a name that stands without quotes. */
export type Folding = 'lower' | 'upper' | 'none';

/** Every token of the text. Never throws: what is open at the end is closed there. */
export function sqlTokens(sql: string, folding: Folding = 'none'): Token[] {
  const tokens: Token[] = [];
  const add = (kind: Token['kind'], text: string): void => {
    tokens.push({ kind, text, lower: text.toLowerCase() });
  };
  for (const match of sql.matchAll(PIECE)) {
    const [whole, text, bracketed, quoted, ticked, variable, number, word, sign] = match;
    if (text !== undefined) add('text', text.replaceAll("''", "'"));
    else if (bracketed !== undefined) add('name', bracketed.replaceAll(']]', ']'));
    else if (quoted !== undefined) add('name', quoted.replaceAll('""', '"'));
    else if (ticked !== undefined) add('name', ticked);
    else if (variable !== undefined) add('variable', variable);
    else if (number !== undefined) add('number', number);
    else if (word !== undefined) add('word', fold(word, folding));
    else if (sign !== undefined && !whole.startsWith('--') && !whole.startsWith('/*')) add('sign', sign);
  }
  return tokens;
}

function fold(word: string, folding: Folding): string {
  if (folding === 'none') return word;
  return folding === 'lower' ? word.toLowerCase() : word.toUpperCase();
}
