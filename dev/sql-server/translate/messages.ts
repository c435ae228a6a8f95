// PRINT, RAISERROR and THROW: what a batch says to its client.
import { notSupported } from '../errors.ts';
import type { Translator } from './translator.ts';

/** A message to work out and send. */
export interface Message {
  readonly kind: 'print' | 'raiserror' | 'throw' | 'rethrow';
  /** SQL of the text, and the variables it uses. */
  readonly text: { readonly sql: string; readonly used: readonly string[] };
  readonly number: number;
  readonly severity: number;
  readonly state: number;
}

/** RAISERROR's and PRINT's own number. */
const USER_MESSAGE = 50000;

/** The message that comes next, if one does. */
export function message(t: Translator): Message | undefined {
  const { tokens } = t;
  const start = tokens.position;
  t.beginStatement();
  if (tokens.accept('print')) return { kind: 'print', text: text(t), number: 0, severity: 0, state: 1 };
  if (tokens.accept('raiserror')) return raise(t);
  if (!tokens.accept('throw')) {
    tokens.position = start;
    return undefined;
  }
  if (tokens.peek().kind !== 'number') {
    return { kind: 'rethrow', text: { sql: 'NULL', used: [] }, number: 0, severity: 16, state: 1 };
  }
  const number = tokens.integer();
  tokens.expectSymbol(',');
  const what = text(t);
  tokens.expectSymbol(',');
  return { kind: 'throw', text: what, number, severity: 16, state: tokens.integer() };
}

function text(t: Translator): Message['text'] {
  const { sql } = t.expression();
  return { sql, used: [...t.used] };
}

function raise(t: Translator): Message {
  const { tokens } = t;
  tokens.expectSymbol('(');
  const what = text(t);
  tokens.expectSymbol(',');
  const severity = tokens.integer();
  tokens.expectSymbol(',');
  tokens.acceptSymbol('-');
  const state = tokens.integer();
  if (tokens.isSymbol(',')) throw notSupported('RAISERROR with arguments');
  tokens.expectSymbol(')');
  if (tokens.accept('with')) tokens.name();
  return { kind: 'raiserror', text: what, number: USER_MESSAGE, severity, state };
}
