// SET options of a session: those with an effect here, those that change nothing a client sees, the rest refused.
import { notSupported } from './errors.ts';
import type { SessionState } from './session-state.ts';
import type { Translator } from './translate/translator.ts';

const WITHOUT_EFFECT = new Set(
  `ansi_defaults ansi_null_dflt_on ansi_nulls ansi_padding ansi_warnings arithabort concat_null_yields_null
  cursor_close_on_commit quoted_identifier numeric_roundabort textsize language dateformat datefirst
  deadlock_priority fmtonly_off`.split(/\s+/),
);
const MUST_BE_OFF = new Set([
  'implicit_transactions',
  'fmtonly',
  'noexec',
  'parseonly',
  'showplan_text',
  'showplan_all',
]);

/** Reads what follows SET (not a variable) and returns what it does to a session. */
export function sessionSetting(t: Translator): (state: SessionState) => Promise<void> {
  const { tokens } = t;
  if (tokens.accept('transaction', 'isolation', 'level')) return isolationLevel(t);
  if (tokens.accept('identity_insert')) {
    const table = t.tableName(tokens.dottedName()).sql;
    const on = onOff(t);
    return async (state) => {
      state.identityInsert = on ? table : undefined;
    };
  }
  if (tokens.accept('lock_timeout')) {
    const negative = tokens.acceptSymbol('-');
    const milliseconds = tokens.integer();
    return async (state) => {
      // SQL Server: -1 waits for ever, 0 not at all; PostgreSQL: 0 waits for ever.
      await state.postgres.simple(`SET lock_timeout = ${negative ? 0 : Math.max(1, milliseconds)}`);
    };
  }
  const options = [tokens.next()];
  while (tokens.acceptSymbol(',')) options.push(tokens.next());
  const names = options.map((option) => option.lower);
  if (
    names.length === 1 &&
    ['textsize', 'language', 'dateformat', 'datefirst', 'deadlock_priority'].includes(names[0] as string)
  ) {
    tokens.acceptSymbol('-');
    tokens.next();
    return async () => {};
  }
  const on = onOff(t);
  for (const name of names) {
    if (name === 'nocount' || name === 'xact_abort' || WITHOUT_EFFECT.has(name)) continue;
    if (MUST_BE_OFF.has(name) && !on) continue;
    throw notSupported(`SET ${name.toUpperCase()} ${on ? 'ON' : 'OFF'}`);
  }
  return async (state) => {
    if (names.includes('nocount')) state.noCount = on;
    if (names.includes('xact_abort')) state.abortOnError = on;
  };
}

function onOff(t: Translator): boolean {
  if (t.tokens.accept('on')) return true;
  t.tokens.expect('off');
  return false;
}

function isolationLevel(t: Translator): (state: SessionState) => Promise<void> {
  const { tokens } = t;
  const words: string[] = [];
  while (tokens.isWord('read', 'uncommitted', 'committed', 'repeatable', 'serializable', 'snapshot'))
    words.push(tokens.next().lower);
  const level = words.join(' ');
  return (state) => state.transactions.isolate(level);
}
