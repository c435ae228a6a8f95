// Upper and lower case, the way .NET's invariant culture has them.

/** .NET changes the case of each character to one character: "ß" stays "ß", and positions stay what they are. */
const perCharacter = (value: string, change: (character: string) => string): string =>
  Array.from(value, (character) => {
    const changed = change(character);
    return changed.length === character.length ? changed : character;
  }).join('');
export const lower = (value: string): string => perCharacter(value, (character) => character.toLowerCase());
export const upper = (value: string): string => perCharacter(value, (character) => character.toUpperCase());
