// T-SQL expressions and conditions by recursive descent, emitted as PostgreSQL.
import { notSupported, SqlError } from '../errors.ts';
import { isCharacter, isInteger, type SqlType } from '../sql-types.ts';
import { captureFunction } from './change-data-capture.ts';
import { commonType, compareAs, convert, definite, tryConvert } from './conversions.ts';
import { functionCall } from './functions.ts';
import { likeExpression } from './like.ts';
import { heldName, quoteName, quoteText } from './token-stream.ts';
import type { Expression, Translator } from './translator.ts';
import { dataType } from './types.ts';

const COMPARISONS: Readonly<Record<string, string>> = {
  '=': '=',
  '<>': '<>',
  '!=': '<>',
  '<': '<',
  '>': '>',
  '<=': '<=',
  '>=': '>=',
  '!<': '>=',
  '!>': '<=',
};

/** A search condition: predicates joined by AND, OR and NOT. */
export function condition(t: Translator): string {
  let sql = conjunction(t);
  while (t.tokens.accept('or')) sql = `${sql} OR ${conjunction(t)}`;
  return sql;
}

function conjunction(t: Translator): string {
  let sql = negation(t);
  while (t.tokens.accept('and')) sql = `${sql} AND ${negation(t)}`;
  return sql;
}

function negation(t: Translator): string {
  return t.tokens.accept('not') ? `NOT ${negation(t)}` : predicate(t);
}

function predicate(t: Translator): string {
  const { tokens } = t;
  if (tokens.accept('exists')) {
    tokens.expectSymbol('(');
    const inner = t.query();
    tokens.expectSymbol(')');
    return `EXISTS (${inner.sql})`;
  }
  if (tokens.isSymbol('(') && holdsCondition(t)) {
    tokens.next();
    const inner = condition(t);
    tokens.expectSymbol(')');
    return `(${inner})`;
  }
  return comparison(t, expression(t));
}

/** Whether the parenthesis that comes next encloses a condition rather than a value. */
function holdsCondition(t: Translator): boolean {
  const { tokens } = t;
  const start = tokens.position;
  const used = [...t.used];
  try {
    tokens.next();
    if (tokens.isWord('select', 'with')) return false;
    condition(t);
    return tokens.isSymbol(')');
  } catch {
    return false;
  } finally {
    tokens.position = start;
    t.used = used;
  }
}

function comparison(t: Translator, left: Expression): string {
  const { tokens } = t;
  if (tokens.accept('is')) {
    const not = tokens.accept('not') ? ' NOT' : '';
    if (tokens.accept('distinct')) {
      tokens.expect('from');
      return `${left.sql} IS${not} DISTINCT FROM ${expression(t).sql}`;
    }
    tokens.expect('null');
    return `${left.sql} IS${not} NULL`;
  }
  const operator = tokens.peek().kind === 'symbol' ? COMPARISONS[tokens.peek().text] : undefined;
  if (operator !== undefined) {
    tokens.next();
    for (const word of ['all', 'any', 'some']) {
      if (!tokens.accept(word)) continue;
      tokens.expectSymbol('(');
      const inner = t.query();
      tokens.expectSymbol(')');
      return `${left.sql} ${operator} ${word.toUpperCase()} (${inner.sql})`;
    }
    const right = expression(t);
    return `${compareAs(left, right)} ${operator} ${compareAs(right, left)}`;
  }
  const not = tokens.accept('not') ? 'NOT ' : '';
  if (tokens.accept('between')) {
    const low = expression(t);
    tokens.expect('and');
    const high = expression(t);
    return `${compareAs(left, low)} ${not}BETWEEN ${compareAs(low, left)} AND ${compareAs(high, left)}`;
  }
  if (tokens.accept('in')) return inList(t, left, not);
  if (tokens.accept('like')) return like(t, left, not);
  throw tokens.unexpected();
}

function inList(t: Translator, left: Expression, not: string): string {
  const { tokens } = t;
  tokens.expectSymbol('(');
  if (tokens.isWord('select')) {
    const inner = t.query();
    tokens.expectSymbol(')');
    return `${left.sql} ${not}IN (${inner.sql})`;
  }
  const items = [expression(t)];
  while (tokens.acceptSymbol(',')) items.push(expression(t));
  tokens.expectSymbol(')');
  const value = compareAs(left, items.find(({ type }) => type !== undefined && !isCharacter(type)) ?? left);
  return `${value} ${not}IN (${items.map((item) => compareAs(item, left)).join(', ')})`;
}

/** PostgreSQL's LIKE has no [a-z] sets: a pattern with one becomes a regular expression, where it is known now. */
function like(t: Translator, left: Expression, not: string): string {
  const { tokens } = t;
  const literal = tokens.peek().kind === 'string' ? tokens.peek().text : undefined;
  const pattern = expression(t);
  const escaped = tokens.accept('escape');
  const character = escaped && tokens.peek().kind === 'string' ? tokens.peek().text : undefined;
  const escapes = escaped ? expression(t).sql : "''";
  if (pattern.literal === true && literal?.includes('[') && (character !== undefined || !escaped)) {
    const expressed = likeExpression(literal, character);
    return `${definite(left)} ${not === '' ? '~' : '!~'} ${quoteText(expressed)}`;
  }
  const known = pattern.literal === true && literal !== undefined && !literal.includes('[');
  return `${left.sql} ${not}LIKE ${known ? pattern.sql : `tsql.like_pattern(${definite(pattern)})`} ESCAPE ${escapes}`;
}

/** A value expression. */
export function expression(t: Translator): Expression {
  const { tokens } = t;
  let left = product(t);
  for (;;) {
    const token = tokens.peek();
    if (token.kind !== 'symbol' || !['+', '-', '&', '|', '^'].includes(token.text)) return left;
    tokens.next();
    left = combine(token.text, left, product(t));
  }
}

const characters = (value: Expression): boolean => value.type !== undefined && isCharacter(value.type);

function combine(operator: string, left: Expression, right: Expression): Expression {
  if (operator === '+' && (characters(left) || characters(right))) {
    const national = [left, right].some((side) => side.type?.name.startsWith('n'));
    const type: SqlType = { name: national ? 'nvarchar' : 'varchar', length: -1 };
    if (characters(left) && characters(right))
      return { sql: `(${definite(left)} || ${definite(right)})`, type };
    // A literal beside something that is not known to be text: a number makes it arithmetic.
    if ((left.type ?? right.type) && left.type && right.type) {
      return {
        sql: `(${left.sql} + ${right.sql})`,
        type: (characters(left) ? right.type : left.type) as SqlType,
      };
    }
    return { sql: `(${definite(left)} OPERATOR(tsql.+) ${definite(right)})`, type };
  }
  const symbol = operator === '^' ? '#' : operator;
  const type = arithmeticType(left.type, right.type);
  const sql = `(${left.sql} ${symbol} ${right.sql})`;
  return type === undefined ? { sql } : { sql, type };
}

const INTEGER_RANK = ['tinyint', 'smallint', 'int', 'bigint'];

/** Integers stay integers of the wider type; other results carry PostgreSQL's own type. */
function arithmeticType(left: SqlType | undefined, right: SqlType | undefined): SqlType | undefined {
  if (!left || !right || !isInteger(left) || !isInteger(right)) return undefined;
  return INTEGER_RANK.indexOf(left.name) >= INTEGER_RANK.indexOf(right.name) ? left : right;
}

function product(t: Translator): Expression {
  const { tokens } = t;
  let left = unary(t);
  for (;;) {
    const token = tokens.peek();
    if (token.kind !== 'symbol' || !['*', '/', '%'].includes(token.text)) return left;
    tokens.next();
    left = combine(token.text, left, unary(t));
  }
}

function unary(t: Translator): Expression {
  const { tokens } = t;
  for (const sign of ['-', '+', '~']) {
    if (!tokens.acceptSymbol(sign)) continue;
    const value = unary(t);
    return value.type ? { sql: `(${sign}${value.sql})`, type: value.type } : { sql: `(${sign}${value.sql})` };
  }
  return collated(t, primary(t));
}

/** COLLATE: only byte-order collations, because that is how the engine compares. */
function collated(t: Translator, value: Expression): Expression {
  if (!t.tokens.accept('collate')) return value;
  const name = t.tokens.name();
  const lower = name.toLowerCase();
  if (lower === 'database_default') return value;
  if (!/^latin1_general(_100)?_bin2?(_utf8)?$/.test(lower)) {
    throw new SqlError(
      448,
      `Invalid collation '${name}' (this stand-in knows Latin1_General_100_BIN2_UTF8).`,
    );
  }
  return {
    ...value,
    sql: `${definite(value)} COLLATE "C"`,
    literal: false,
    variable: false,
    type: value.type ?? { name: 'varchar', length: -1 },
  };
}

function primary(t: Translator): Expression {
  const { tokens } = t;
  const token = tokens.peek();
  switch (token.kind) {
    case 'string':
      tokens.next();
      return {
        sql: quoteText(token.text),
        literal: true,
        type: { name: token.national ? 'nvarchar' : 'varchar', length: Math.max(1, token.text.length) },
      };
    case 'number':
      tokens.next();
      return numberLiteral(token.text);
    case 'binary':
      tokens.next();
      return binaryLiteral(token.text);
    case 'variable':
      tokens.next();
      return t.variable(token.text);
    case 'symbol':
      if (token.text === '(') return parenthesised(t);
      throw tokens.unexpected();
    case 'word':
      return wordExpression(t);
    case 'quoted':
      return columnReference(t);
    default:
      throw tokens.unexpected();
  }
}

function numberLiteral(text: string): Expression {
  if (/[eE]/.test(text)) return { sql: `CAST('${text}' AS double precision)`, type: { name: 'float' } };
  if (text.includes('.')) {
    const [whole = '', fraction = ''] = text.split('.');
    const scale = fraction.length;
    return {
      sql: text,
      type: { name: 'decimal', precision: Math.max(1, whole.replace(/^0+/, '').length + scale), scale },
    };
  }
  if (Number(text) <= 2147483647) return { sql: text, type: { name: 'int' } };
  return { sql: `CAST(${text} AS numeric)`, type: { name: 'decimal', precision: text.length, scale: 0 } };
}

function binaryLiteral(text: string): Expression {
  const hex = text.length % 2 === 0 ? text.slice(2) : `0${text.slice(2)}`;
  return {
    sql: `CAST('\\x${hex}' AS bytea)`,
    type: { name: 'varbinary', length: Math.max(1, hex.length / 2) },
  };
}

function parenthesised(t: Translator): Expression {
  const { tokens } = t;
  tokens.expectSymbol('(');
  if (tokens.isWord('select')) {
    const inner = t.query();
    tokens.expectSymbol(')');
    const type = inner.outputs[0]?.type;
    return type ? { sql: `(${inner.sql})`, type } : { sql: `(${inner.sql})` };
  }
  const inner = expression(t);
  tokens.expectSymbol(')');
  return { ...inner, sql: `(${inner.sql})` };
}

function wordExpression(t: Translator): Expression {
  const { tokens } = t;
  if (tokens.accept('null')) return { sql: 'NULL' };
  if (tokens.accept('case')) return caseExpression(t);
  if (tokens.accept('current_timestamp')) {
    return { sql: 'CAST(tsql.now() AS timestamp(3))', type: { name: 'datetime' } };
  }
  const word = tokens.peek().lower;
  if (tokens.isSymbol('(', 1)) {
    if (word === 'cast' || word === 'convert') return conversion(t);
    if (word === 'try_cast' || word === 'try_convert') return conversion(t);
    if (word === 'parse' || word === 'try_parse') {
      throw notSupported(word.toUpperCase());
    }
    return functionCall(t);
  }
  return columnReference(t);
}

function conversion(t: Translator): Expression {
  const { tokens } = t;
  const word = tokens.next().lower;
  const converted = word.startsWith('try_') ? tryConvert : convert;
  tokens.expectSymbol('(');
  if (word.endsWith('cast')) {
    const value = expression(t);
    tokens.expect('as');
    const type = dataType(t, 30);
    tokens.expectSymbol(')');
    return converted(value, type);
  }
  const type = dataType(t, 30);
  tokens.expectSymbol(',');
  const value = expression(t);
  const style = tokens.acceptSymbol(',') ? tokens.integer() : undefined;
  tokens.expectSymbol(')');
  return converted(value, type, style);
}

function caseExpression(t: Translator): Expression {
  const { tokens } = t;
  let sql = 'CASE';
  const operand = tokens.isWord('when') ? undefined : expression(t);
  if (operand) sql += ` ${operand.sql}`;
  const results: Expression[] = [];
  while (tokens.accept('when')) {
    const when = operand ? expression(t).sql : condition(t);
    tokens.expect('then');
    const then = expression(t);
    results.push(then);
    sql += ` WHEN ${when} THEN ${then.sql}`;
  }
  if (tokens.accept('else')) {
    const otherwise = expression(t);
    results.push(otherwise);
    sql += ` ELSE ${otherwise.sql}`;
  }
  tokens.expect('end');
  if (results.length === 0) throw tokens.unexpected();
  return withType(`${sql} END`, commonType(results));
}

const withType = (sql: string, type: SqlType | undefined): Expression => (type ? { sql, type } : { sql });

/** a, t.a, s.t.a: a column by name. */
function columnReference(t: Translator): Expression {
  const { tokens } = t;
  const parts = [tokens.name()];
  while (tokens.acceptSymbol('.')) parts.push(tokens.name());
  if (parts.length === 2 && parts[0]?.toLowerCase() === '$partition' && tokens.acceptSymbol('(')) {
    const value = expression(t);
    tokens.expectSymbol(')');
    const name = quoteText(heldName(parts[1] ?? ''));
    return { sql: `tsql.partition_number(${name}, (${value.sql})::text)`, type: { name: 'int' } };
  }
  if (parts.length === 1 && parts[0]?.toLowerCase() === '$action' && t.outputOf !== undefined)
    return { sql: 'merge_action()', column: '$action', type: { name: 'nvarchar', length: 10 } };
  if (tokens.isSymbol('(')) return captureFunction(t, parts);
  const last = parts.at(-1) as string;
  const hint = t.column(parts);
  const sql = parts.map(quoteName).join('.');
  if (hint === undefined) return { sql, column: last };
  return { sql, column: last, type: hint.type, nullable: hint.nullable };
}
