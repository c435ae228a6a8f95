// Aggregates and window functions, with OVER.
import { notSupported, SqlError, syntaxError } from '../errors.ts';
import { isInteger, type SqlType } from '../sql-types.ts';
import { definite, longText, text } from './conversions.ts';
import { orderBy } from './order.ts';
import { type Expression, type Translator, typed } from './translator.ts';

const INT: SqlType = { name: 'int' };
const BIGINT: SqlType = { name: 'bigint' };

export const AGGREGATES: ReadonlySet<string> = new Set([
  'count',
  'count_big',
  'sum',
  'avg',
  'min',
  'max',
  'stdev',
  'stdevp',
  'var',
  'varp',
  'string_agg',
]);
export const WINDOWS: Readonly<Record<string, string>> = {
  row_number: 'row_number',
  rank: 'rank',
  dense_rank: 'dense_rank',
  ntile: 'ntile',
  lag: 'lag',
  lead: 'lead',
  first_value: 'first_value',
  last_value: 'last_value',
  percent_rank: 'percent_rank',
  cume_dist: 'cume_dist',
};

export function aggregate(t: Translator, name: string): Expression {
  const { tokens } = t;
  if (name === 'count' || name === 'count_big') {
    const inside = tokens.acceptSymbol('*')
      ? '*'
      : `${tokens.accept('distinct') ? 'DISTINCT ' : ''}${t.expression().sql}`;
    tokens.expectSymbol(')');
    const counted = `count(${inside})${over(t)}`;
    return name === 'count' ? typed(`tsql.to_int(${counted})`, INT) : typed(counted, BIGINT);
  }
  const distinct = tokens.accept('distinct') ? 'DISTINCT ' : '';
  const value = t.expression();
  if (name === 'string_agg') {
    tokens.expectSymbol(',');
    const separator = t.expression();
    tokens.expectSymbol(')');
    let order = '';
    if (tokens.accept('within', 'group')) {
      tokens.expectSymbol('(');
      order = ` ${orderBy(t)}`;
      tokens.expectSymbol(')');
    }
    return typed(`string_agg(${text(value)}, ${definite(separator)}${order})`, longText(value));
  }
  tokens.expectSymbol(')');
  const functions: Readonly<Record<string, string>> = {
    sum: 'tsql.sum',
    avg: 'tsql.avg',
    min: 'min',
    max: 'max',
    stdev: 'stddev_samp',
    stdevp: 'stddev_pop',
    var: 'var_samp',
    varp: 'var_pop',
  };
  if (name === 'min' || name === 'max')
    return typed(`${name}(${distinct}${value.sql})${over(t)}`, value.type);
  // Decimals and floats add up the same way in both; PostgreSQL's own aggregate can run in parallel.
  const same = name === 'sum' && value.type !== undefined && !isInteger(value.type);
  const call = `${same ? 'sum' : functions[name]}(${distinct}${value.sql})${over(t)}`;
  if (name !== 'sum' && name !== 'avg') return typed(`CAST(${call} AS double precision)`, { name: 'float' });
  return typed(call, sumType(name, value.type));
}

/** SUM keeps the scale and takes precision 38; AVG of a decimal has at least six digits (Microsoft's rules). */
function sumType(name: string, type: SqlType | undefined): SqlType | undefined {
  if (type === undefined || (name !== 'sum' && name !== 'avg')) return undefined;
  if (isInteger(type)) return type.name === 'bigint' ? BIGINT : INT;
  if (type.name === 'money' || type.name === 'smallmoney') return { name: 'money' };
  if (type.name === 'float' || type.name === 'real') return { name: 'float' };
  if (type.name === 'decimal' && name === 'sum')
    return { name: 'decimal', precision: 38, scale: type.scale ?? 0 };
  if (type.name === 'decimal' && name === 'avg') {
    return { name: 'decimal', precision: 38, scale: Math.max(6, type.scale ?? 0) };
  }
  return undefined;
}

export function windowFunction(t: Translator, name: string, args: readonly Expression[]): Expression {
  const clause = over(t);
  if (clause === '') throw new SqlError(10753, `The function '${name}' must have an OVER clause.`, 15);
  const call = `${WINDOWS[name]}(${args.map((value) => value.sql).join(', ')})${clause}`;
  if (['row_number', 'rank', 'dense_rank'].includes(name)) return typed(call, BIGINT);
  if (name === 'ntile') return typed(`CAST(${call} AS bigint)`, BIGINT);
  return typed(call, args[0]?.type);
}

/** OVER (PARTITION BY ... ORDER BY ... ROWS ...), or nothing. */
function over(t: Translator): string {
  const { tokens } = t;
  if (!tokens.accept('over')) return '';
  tokens.expectSymbol('(');
  const parts: string[] = [];
  if (tokens.accept('partition', 'by')) {
    const items = [t.expression().sql];
    while (tokens.acceptSymbol(',')) items.push(t.expression().sql);
    parts.push(`PARTITION BY ${items.join(', ')}`);
  }
  if (tokens.isWord('order')) parts.push(orderBy(t));
  if (tokens.isWord('rows', 'range')) parts.push(frame(t));
  tokens.expectSymbol(')');
  return ` OVER (${parts.join(' ')})`;
}

const FRAME_WORDS = new Set([
  'rows',
  'range',
  'between',
  'and',
  'unbounded',
  'preceding',
  'following',
  'current',
  'row',
]);

function frame(t: Translator): string {
  const words: string[] = [];
  while (!t.tokens.isSymbol(')')) {
    const token = t.tokens.next();
    if (token.kind === 'number' || (token.kind === 'word' && FRAME_WORDS.has(token.lower)))
      words.push(token.lower);
    else throw token.kind === 'end' ? syntaxError('OVER') : notSupported(`window frame '${token.text}'`);
  }
  return words.join(' ').toUpperCase();
}
