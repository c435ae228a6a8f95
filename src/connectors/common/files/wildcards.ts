// ADF's wildcards in folder and file names: `*` any characters of one name, `?` one or none, `^` makes the next plain.

/** Longest beginning of a pattern that has no wildcard, cut after its last slash: what a listing can begin with. */
export const plainFolder = (pattern: string): string => {
  const wild = pattern.search(/[*?^]/);
  return wild < 0 ? pattern : pattern.slice(0, pattern.lastIndexOf('/', wild) + 1);
};

/** What one place of a pattern takes: a plain character, one or none, any of a name, any at all. */
type Token = { readonly plain: string } | 'optional' | 'name' | 'path';

const tokensOf = (pattern: string): Token[] => {
  const tokens: Token[] = [];
  const characters = [...pattern];
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] ?? '';
    if (character === '^' && i + 1 < characters.length) tokens.push({ plain: characters[++i] ?? '' });
    else if (character === '*' && characters[i + 1] === '*') {
      tokens.push('path');
      i++;
    } else if (character === '*') tokens.push('name');
    else if (character === '?') tokens.push('optional');
    else tokens.push({ plain: character });
  }
  return tokens;
};

/**
 * Whether the whole text matches; `**` stands for any characters, slashes among them. Follows all ways at once, so no
 * pattern takes more than its length times the text's; a regular expression would.
 */
export const wildcard = (pattern: string): ((text: string) => boolean) => {
  const tokens = tokensOf(pattern);
  /** Adds a place of the pattern, and those that can be reached from it without a character. */
  const reach = (places: Set<number>, place: number): void => {
    for (let at = place; !places.has(at); at++) {
      places.add(at);
      if (at >= tokens.length || typeof tokens[at] === 'object') return;
    }
  };
  return (text) => {
    let places = new Set<number>();
    reach(places, 0);
    for (const character of text) {
      const next = new Set<number>();
      for (const place of places) {
        const token = tokens[place];
        if (token === undefined) continue;
        if (typeof token === 'object') {
          if (token.plain === character) reach(next, place + 1);
        } else if (token === 'path' || character !== '/') {
          reach(next, token === 'optional' ? place + 1 : place);
        }
      }
      if (next.size === 0) return false;
      places = next;
    }
    return places.has(tokens.length);
  };
};
