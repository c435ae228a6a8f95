// One JSON object of a row: members in the order of the columns, nested where the mapping gives a column a path.
import type { JsonPathStep } from '../../../core/copy/json-path.ts';
import { WaybillError } from '../../../core/errors.ts';
import { type Column, type InterimType, isFloat, type Row } from '../../../core/types/column.ts';

/** Where columns with these names stand in the object, if not at its top. */
export type SinkPaths = ReadonlyMap<string, readonly JsonPathStep[]>;

const NUMBERS: readonly InterimType[] = ['Int16', 'Int32', 'Int64', 'Decimal'];

/** Numbers as they are, whatever their digits; what JSON has no number for (NaN, Infinity) is text. */
const valueWriter = ({ type }: Column): ((value: string) => string) => {
  if (NUMBERS.includes(type)) return (value) => value;
  if (type === 'Boolean') return (value) => (value === '1' ? 'true' : 'false');
  if (isFloat(type)) return (value) => (Number.isFinite(Number(value)) ? value : JSON.stringify(value));
  return (value) => JSON.stringify(value);
};

/** Members by name: the position of a column, or an object of more. */
type Members = Map<string, number | Members>;

const place = (members: Members, steps: readonly string[], at: number, path: string): void => {
  const [name = '', ...rest] = steps;
  const found = members.get(name);
  if (rest.length === 0 && found === undefined) members.set(name, at);
  else if (rest.length > 0 && typeof found !== 'number') {
    const inner: Members = found ?? new Map();
    members.set(name, inner);
    place(inner, rest, at, path);
  } else
    throw new WaybillError('DEFINITION_INVALID', `Two columns of the mapping stand at ${path} of the sink.`, {
      path,
    });
};

const membersOf = (columns: readonly Column[], paths: SinkPaths): Members => {
  const members: Members = new Map();
  for (const [i, { name }] of columns.entries()) {
    const steps = (paths.get(name) ?? [{ member: name }]).map((step) => {
      if ('member' in step) return step.member;
      throw new WaybillError(
        'DEFINITION_UNSUPPORTED',
        `The sink's path ${name} leads into an array: objects of objects are written, no arrays.`,
        { path: name },
      );
    });
    place(members, steps, i, name);
  }
  return members;
};

/** Throws DEFINITION_INVALID for two columns in one place, DEFINITION_UNSUPPORTED for paths into arrays. */
export const objectWriter = (columns: readonly Column[], paths: SinkPaths): ((row: Row) => string) => {
  const writers = columns.map(valueWriter);
  const writerOf = (members: Members): ((row: Row) => string) => {
    const parts = [...members].map(([name, inner], i) => {
      const label = `${i === 0 ? '' : ','}${JSON.stringify(name)}:`;
      if (typeof inner !== 'number') {
        const write = writerOf(inner);
        return (row: Row) => label + write(row);
      }
      const write = writers[inner];
      return (row: Row) => {
        const value = row[inner];
        return label + (value === null || value === undefined ? 'null' : write?.(value));
      };
    });
    return (row) => {
      let text = '{';
      for (const part of parts) text += part(row);
      return `${text}}`;
    };
  };
  return writerOf(membersOf(columns, paths));
};
