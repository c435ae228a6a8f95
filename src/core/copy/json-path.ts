// The JSON paths that mappings use: $['a']['b'], $.a.b, ['x'], x, [0], [*]; no filters, no search at any depth.
import { WaybillError } from '../errors.ts';

export interface JsonPath {
  /** Whether it begins at the document (`$`), and not where its reader stands. */
  readonly absolute: boolean;
  readonly steps: readonly JsonPathStep[];
}

/** A member by name, an element by index, or every element of an array. */
export type JsonPathStep =
  | { readonly member: string }
  | { readonly index: number }
  | { readonly every: true };

const STEP = /\.?\[\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\d+)|(\*?))\s*\]|\.(\*)|\.?([^.[\]]+)/y;

/** Throws DEFINITION_UNSUPPORTED for what is no such path. */
export const jsonPath = (text: string): JsonPath => {
  const whole = text.trim();
  const absolute = whole.startsWith('$');
  const steps: JsonPathStep[] = [];
  let at = absolute ? 1 : 0;
  while (at < whole.length) {
    STEP.lastIndex = at;
    const found = STEP.exec(whole);
    if (found === null) throw noPath(text);
    const [, single, double, index, every, dotEvery, plain] = found;
    const quoted = single ?? double;
    if (quoted !== undefined) steps.push({ member: quoted.replaceAll(/\\(.)/gs, '$1') });
    else if (index !== undefined) steps.push({ index: Number(index) });
    else if (every !== undefined || dotEvery !== undefined) steps.push({ every: true });
    else if (plain !== undefined && !plain.startsWith('?')) steps.push({ member: plain.trim() });
    else throw noPath(text);
    at = STEP.lastIndex;
  }
  return { absolute, steps };
};

const noPath = (text: string): WaybillError =>
  new WaybillError(
    'DEFINITION_UNSUPPORTED',
    `The path ${text.slice(0, 200)} is none that is followed here: use $['a']['b'], $.a.b, ['x'], [0] or [*].`,
    { path: text.slice(0, 200) },
  );
