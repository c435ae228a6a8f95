// ADF's wildcards in folder and file names: `*` any characters of one name, `?` one or none, `^` makes the next plain.

/** Longest beginning of a pattern that has no wildcard, cut after its last slash: what a listing can begin with. */
export const plainFolder = (pattern: string): string => {
  const wild = pattern.search(/[*?^]/);
  return wild < 0 ? pattern : pattern.slice(0, pattern.lastIndexOf('/', wild) + 1);
};

/** Whether the whole text matches; `**` stands for any characters, slashes among them. */
export const wildcard = (pattern: string): ((text: string) => boolean) => {
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern[i] ?? '';
    if (character === '^' && i + 1 < pattern.length) source += literal(pattern[++i] ?? '');
    else if (character === '*' && pattern[i + 1] === '*') {
      source += '.*';
      i++;
    } else if (character === '*') source += '[^/]*';
    else if (character === '?') source += '[^/]?';
    else source += literal(character);
  }
  // Several `*` in a row are one: no pattern takes exponential time.
  const expression = new RegExp(`^${source.replaceAll(/(?:\[\^\/\]\*)+/g, '[^/]*')}$`, 'su');
  return (text) => expression.test(text);
};

const literal = (character: string): string => character.replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&');
