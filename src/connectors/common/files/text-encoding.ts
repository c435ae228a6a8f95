// Bytes of a text file to text and back, in the encoding its dataset names. A byte that is no text is an error.
import { isAscii, isUtf8 } from 'node:buffer';
import { WaybillError } from '../../../core/errors.ts';

/** An encoding as Node's TextDecoder names it: "utf-8", "windows-1252", "shift_jis". */
export const encodingOf = (name: string | undefined): string => {
  const wanted = (name ?? 'utf-8').trim().toLowerCase();
  // .NET's names for what TextDecoder has others for.
  const label = NET_NAMES[wanted] ?? wanted;
  try {
    return new TextDecoder(label).encoding;
  } catch {
    throw new WaybillError('DEFINITION_UNSUPPORTED', `Encoding ${name} is not supported.`, {
      encoding: wanted,
    });
  }
};

const NET_NAMES: Readonly<Record<string, string>> = {
  'utf-8 without bom': 'utf-8',
  'utf-16': 'utf-16le',
  unicode: 'utf-16le',
  unicodefffe: 'utf-16be',
  'us-ascii': 'utf-8',
  ascii: 'utf-8',
  ibm866: 'ibm866',
};

/** Text of the bytes, without a byte order mark. Throws FILE_INVALID naming the file and where. */
export async function* decoded(
  name: string,
  bytes: AsyncIterable<Buffer>,
  encoding: string,
): AsyncGenerator<string> {
  const pieces = encoding === 'utf-8' ? utf8(name, bytes) : otherText(name, bytes, encoding);
  let first = true;
  for await (const piece of pieces) {
    const text = first && piece.charCodeAt(0) === 0xfeff ? piece.slice(1) : piece;
    first = false;
    if (text !== '') yield text;
  }
}

const notText = (name: string, encoding: string, at: number): WaybillError =>
  new WaybillError(
    'FILE_INVALID',
    `${name} is not ${encoding}: there are bytes that are no text, near byte ${at} of its plain content.`,
    { file: name, encoding, at },
  );

/** Several times as fast as a streaming TextDecoder. */
async function* utf8(name: string, bytes: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0);
  let at = 0;
  for await (const piece of bytes) {
    const all = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    const end = wholeCharacters(all);
    rest = all.subarray(end);
    const whole = all.subarray(0, end);
    if (isAscii(whole)) {
      if (end > 0) yield whole.toString('latin1');
    } else {
      if (!isUtf8(whole)) throw notText(name, 'UTF-8', at);
      yield whole.toString('utf8');
    }
    at += end;
  }
  if (rest.length > 0) throw notText(name, 'UTF-8', at);
}

/** Length of the part that does not end inside a character. */
const wholeCharacters = (bytes: Buffer): number => {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return bytes.length;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return length > back ? bytes.length - back : bytes.length;
    }
  }
  return bytes.length;
};

async function* otherText(
  name: string,
  bytes: AsyncIterable<Buffer>,
  encoding: string,
): AsyncGenerator<string> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  let at = 0;
  try {
    for await (const piece of bytes) {
      yield decoder.decode(piece, { stream: true });
      at += piece.length;
    }
    yield decoder.decode();
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_ENCODING_INVALID_ENCODED_DATA') throw error;
    throw notText(name, encoding, at);
  }
}

/** Text to bytes. Throws DEFINITION_UNSUPPORTED for an encoding that is only read. */
export const encoderOf = (encoding: string): ((text: string) => Buffer) => {
  if (encoding === 'utf-8') return (text) => Buffer.from(text, 'utf8');
  if (encoding === 'utf-16le') return (text) => Buffer.from(text, 'utf16le');
  throw new WaybillError(
    'DEFINITION_UNSUPPORTED',
    `Files are read in encoding ${encoding}, but not written; use UTF-8 or UTF-16.`,
    { encoding },
  );
};
