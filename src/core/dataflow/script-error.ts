// The error that reading a data flow script throws.
import { WaybillError } from '../errors.ts';

/** DEFINITION_INVALID with the reason and the place: line and column from 1, offset in characters from 0. */
export function scriptError(text: string, at: number, reason: string): WaybillError {
  const before = text.slice(0, at);
  const line = before.split('\n').length;
  const column = at - before.lastIndexOf('\n');
  return new WaybillError('DEFINITION_INVALID', `${reason} (line ${line}, column ${column} of the script)`, {
    line,
    column,
    offset: at,
  });
}
