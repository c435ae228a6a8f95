// Every function of the expression language, by lower-case name.
import { COLLECTION } from './collection.ts';
import { CONVERSION } from './conversion.ts';
import { DATE } from './date.ts';
import type { FunctionEntry } from './define.ts';
import { LOGICAL } from './logical.ts';
import { MATH } from './math.ts';
import { STRING } from './string.ts';
import { XML } from './xml.ts';

export const FUNCTIONS: ReadonlyMap<string, FunctionEntry> = new Map(
  [...STRING, ...COLLECTION, ...LOGICAL, ...CONVERSION, ...MATH, ...DATE, ...XML].map((entry) => [
    entry.name.toLowerCase(),
    entry,
  ]),
);
