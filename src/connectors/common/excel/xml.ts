// XML of a workbook's parts, piece by piece. No document type is taken: nothing of a workbook needs one.
import sax from 'sax';
import { WaybillError } from '../../../core/errors.ts';
import type { ReadableFile } from '../files/file-format.ts';

export interface XmlHandler {
  open(name: string, attributes: Readonly<Record<string, string>>): void;
  text(text: string): void;
  close(name: string): void;
}

/** Workbooks nest some ten deep. */
const DEEPEST = 256;

/**
 * Characters after which whoever reads gets what has been found: 36 of them can be a row of 16,384 cells, of which all but
 * the last are empty.
 */
const SLICE = 8_192;

export const notWhole = (file: string, why: string): WaybillError =>
  new WaybillError('FILE_INVALID', `${file} is not a whole Excel workbook (.xlsx): ${why}.`, { file });

/** A name without its namespace's prefix. */
const local = (name: string): string => name.slice(name.indexOf(':') + 1);

/** Parses a part, telling the handler; yields after every few thousand characters. Throws FILE_INVALID naming the workbook. */
export async function* parseXml(
  workbook: string,
  part: ReadableFile,
  handler: XmlHandler,
): AsyncGenerator<void> {
  const parser = sax.parser(true, { position: true });
  const fail = (why: string): never => {
    throw notWhole(workbook, `${part.name.slice(workbook.length + 1)}: ${why}`);
  };
  let depth = 0;
  let failure: unknown;
  /** The parser would go on after what a listener throws. */
  const noting =
    <T extends unknown[]>(listen: (...values: T) => void) =>
    (...values: T): void => {
      if (failure !== undefined) return;
      try {
        listen(...values);
      } catch (error) {
        failure = error;
      }
    };
  parser.ondoctype = noting(() => fail('it declares a document type'));
  parser.onopentag = noting(({ name, attributes }) => {
    if (++depth > DEEPEST) fail(`it nests more than ${DEEPEST} deep`);
    handler.open(local(name), attributes as Record<string, string>);
  });
  parser.ontext = noting((text) => handler.text(text));
  parser.oncdata = noting((text) => handler.text(text));
  parser.onclosetag = noting((name) => {
    depth--;
    handler.close(local(name));
  });
  parser.onerror = noting((error) => fail(error.message.split('\n')[0] ?? ''));
  const decoder = new TextDecoder('utf-8');
  const write = (text: string): void => {
    parser.write(text);
    if (failure !== undefined) throw failure;
  };
  for await (const piece of part.stream()) {
    const text = decoder.decode(piece, { stream: true });
    for (let at = 0; at < text.length; at += SLICE) {
      write(text.slice(at, at + SLICE));
      yield;
    }
  }
  write(decoder.decode());
  parser.close();
  if (failure !== undefined) throw failure;
  yield;
}
