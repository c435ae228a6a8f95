// UTF-8 and Base64 without a platform: the workflow sandbox has neither Buffer nor TextEncoder.
import { expressionError } from './expression-error.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The UTF-8 bytes of a string. A lone surrogate becomes U+FFFD. */
export function utf8Encode(text: string): number[] {
  const bytes: number[] = [];
  for (const character of text) {
    let code = character.codePointAt(0) as number;
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else
      bytes.push(
        0xf0 | (code >> 18),
        0x80 | ((code >> 12) & 63),
        0x80 | ((code >> 6) & 63),
        0x80 | (code & 63),
      );
  }
  return bytes;
}

/** The string of UTF-8 bytes. Throws EXPRESSION_INVALID where they are not UTF-8. */
export function utf8Decode(bytes: number[]): string {
  try {
    return decodeURIComponent(bytes.map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''));
  } catch {
    throw expressionError('The bytes are not UTF-8 text');
  }
}

export function base64Encode(text: string): string {
  const bytes = utf8Encode(text);
  let encoded = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b, c] = bytes.slice(i, i + 3);
    const group = (a << 16) | ((b ?? 0) << 8) | (c ?? 0);
    encoded += `${ALPHABET[group >> 18]}${ALPHABET[(group >> 12) & 63]}`;
    encoded += b === undefined ? '=' : ALPHABET[(group >> 6) & 63];
    encoded += c === undefined ? '=' : ALPHABET[group & 63];
  }
  return encoded;
}

export function base64Decode(encoded: string): string {
  const clean = encoded.replace(/\s/g, '');
  if (clean.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(clean))
    throw expressionError('The text is not Base64');
  const bytes: number[] = [];
  for (let i = 0; i < clean.length; i += 4) {
    const [a, b, c, d] = [...clean.slice(i, i + 4)].map((character) => ALPHABET.indexOf(character)) as [
      number,
      number,
      number,
      number,
    ];
    const group = (a << 18) | (b << 12) | ((c & 63) << 6) | (d & 63);
    bytes.push((group >> 16) & 255);
    if (c >= 0) bytes.push((group >> 8) & 255);
    if (d >= 0) bytes.push(group & 255);
  }
  return utf8Decode(bytes);
}
