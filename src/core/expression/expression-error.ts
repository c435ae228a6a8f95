// The error that parsing and evaluating expressions throw.
import { WaybillError } from '../errors.ts';

/** EXPRESSION_INVALID with the reason and, where it is known, the position (1-based, in characters). */
export function expressionError(reason: string, at?: number): WaybillError {
  return at === undefined
    ? new WaybillError('EXPRESSION_INVALID', reason)
    : new WaybillError('EXPRESSION_INVALID', `${reason} (at character ${at + 1})`, { position: at + 1 });
}
