// What the parts of the translation share: the tokens, the known tables, the variables, the statement being built.
import { SqlError } from '../errors.ts';
import type { SqlType } from '../sql-types.ts';
import type { Token } from './lexer.ts';
import { quoteName, TokenStream } from './token-stream.ts';

/** What the catalog says about a column. */
export interface ColumnHint {
  readonly name: string;
  readonly type: SqlType;
  readonly nullable: boolean;
  readonly identity: boolean;
}

export interface TableHint {
  readonly schema: string;
  readonly name: string;
  readonly columns: ReadonlyMap<string, ColumnHint>;
}

/** Tables known by lower-case schema.name; temporary ones under their bare name. */
export type Tables = ReadonlyMap<string, TableHint>;

export interface TableName {
  readonly schema: string;
  readonly name: string;
  /** Quoted PostgreSQL name. */
  readonly sql: string;
}

export interface Expression {
  readonly sql: string;
  readonly type?: SqlType;
  /** A character literal, which PostgreSQL and SQL Server both read by what it meets. */
  readonly literal?: boolean;
  readonly variable?: boolean;
  /** The name a result column gets from it: that of a plain column reference. */
  readonly column?: string;
  readonly nullable?: boolean;
  /** For bytes that are an MD5 or its beginning: the same in hexadecimal, which is how PostgreSQL makes it. */
  readonly hex?: string;
}

/** One column of the outermost select list; a star has no name of its own. */
export interface OutputColumn {
  readonly name: string;
  readonly type: SqlType | undefined;
  readonly star: boolean;
}

export interface TranslationContext {
  readonly database: string;
  readonly tables: Tables;
  /** Declared type of a variable, by lower-case name with its @; undefined when not declared. */
  variableType(name: string): SqlType | undefined;
  /** The PostgreSQL table behind a variable that is a table. */
  tableVariable?(name: string): string | undefined;
}

/** A translated query: its text and what is known of its columns. */
export interface Query {
  readonly sql: string;
  readonly outputs: readonly OutputColumn[];
}

/** The mutually recursive parts of the grammar, tied together in statement.ts. */
export interface Grammar {
  expression(t: Translator): Expression;
  condition(t: Translator): string;
  query(t: Translator): Query;
}

export class Translator {
  readonly #grammar: Grammar;
  readonly tokens: TokenStream;
  context: TranslationContext;
  /** Variables used by the statement being built, in the order of $1, $2, ... */
  used: string[] = [];
  /** The derived table read last: where it stands and its columns, for a star that stands for just them. */
  derived:
    | { readonly start: number; readonly end: number; readonly outputs: readonly OutputColumn[] }
    | undefined;
  /** What the statement calls its table, while OUTPUT is read: `inserted` and `deleted` are rows of it. */
  outputOf: string | undefined;
  /** Names of common table expressions of the statement being built. */
  readonly withNames = new Set<string>();
  #scope: { alias: string; table: TableHint }[] = [];

  constructor(tokens: readonly Token[], context: TranslationContext, grammar: Grammar) {
    this.#grammar = grammar;
    this.tokens = new TokenStream(tokens);
    this.context = context;
  }

  /** A value. */
  expression(): Expression {
    return this.#grammar.expression(this);
  }

  /** A search condition. */
  condition(): string {
    return this.#grammar.condition(this);
  }

  /** SELECT ..., with its set operators and ORDER BY. */
  query(): Query {
    return this.#grammar.query(this);
  }

  /** Forgets what belonged to the statement before and looks which tables the coming one names. */
  beginStatement(): void {
    this.used = [];
    this.withNames.clear();
    this.#scope = this.#scanTables();
  }

  /** Emits a variable as a numbered parameter. */
  variable(name: string): Expression {
    const lower = name.toLowerCase();
    // The session's last one, whatever the scope: there are no triggers here that could have made another.
    if (lower === '@@identity')
      return typed('tsql.scope_identity()', { name: 'decimal', precision: 38, scale: 0 });
    const type = this.context.variableType(lower);
    if (type === undefined) throw new SqlError(137, `Must declare the scalar variable "${name}".`, 15);
    let index = this.used.indexOf(lower);
    if (index < 0) index = this.used.push(lower) - 1;
    return { sql: `$${index + 1}`, type, variable: true };
  }

  /** The column of that name in the tables of this statement, when they agree about its type. */
  column(parts: readonly string[]): ColumnHint | undefined {
    const name = (parts.at(-1) ?? '').toLowerCase();
    const written = parts.length > 1 ? (parts.at(-2) ?? '').toLowerCase() : undefined;
    const isRow = written === 'inserted' || written === 'deleted';
    const qualifier = isRow ? (this.outputOf ?? written) : written;
    let found: ColumnHint | undefined;
    for (const { alias, table } of this.#scope) {
      if (qualifier !== undefined && qualifier !== alias) continue;
      const column = table.columns.get(name);
      if (column === undefined) continue;
      if (found !== undefined && JSON.stringify(found.type) !== JSON.stringify(column.type)) return undefined;
      found = column;
    }
    return found;
  }

  table(name: TableName): TableHint | undefined {
    return this.context.tables.get(tableKey(name.schema, name.name));
  }

  /** A table name as PostgreSQL is to see it. */
  tableName(parts: readonly string[]): TableName {
    const name = parts.at(-1) ?? '';
    if (name.startsWith('#')) return { schema: '', name, sql: quoteName(name) };
    if (parts.length > 3) {
      throw new SqlError(
        40515,
        `Reference to database and/or server name in '${parts.join('.')}' is not supported here.`,
      );
    }
    const database = parts.length === 3 ? parts[0] : undefined;
    const system = ['sys', 'information_schema'].includes((parts.at(-2) ?? '').toLowerCase());
    if (
      database &&
      database.toLowerCase() !== this.context.database.toLowerCase() &&
      !(system && database === 'master')
    ) {
      throw new SqlError(
        40515,
        `Reference to database and/or server name in '${parts.join('.')}' is not supported here.`,
      );
    }
    if (parts.length === 1 && this.withNames.has(name.toLowerCase()))
      return { schema: '', name, sql: quoteName(name) };
    const schema = (parts.length > 1 ? parts.at(-2) : 'dbo') || 'dbo';
    const held = schema.toLowerCase() === 'information_schema' ? 'tsql_information_schema' : schema;
    return { schema, name, sql: `${quoteName(held)}.${quoteName(name)}` };
  }

  #scanTables(): { alias: string; table: TableHint }[] {
    const scope: { alias: string; table: TableHint }[] = [];
    const { tokens, position } = this.tokens;
    for (let at = position; at < tokens.length - 1; at++) {
      const token = tokens[at] as Token;
      if (token.kind === 'symbol' && token.text === ';') break;
      const opens =
        (token.kind === 'word' && TABLE_FOLLOWS.has(token.lower)) ||
        (token.kind === 'symbol' && token.text === ',');
      if (!opens) continue;
      const parts: string[] = [];
      let end = at + 1;
      while (isNameToken(tokens[end])) {
        parts.push((tokens[end] as Token).text);
        if (tokens[end + 1]?.text !== '.') break;
        end += 2;
      }
      const name = parts.at(-1);
      if (name === undefined) continue;
      const table = this.context.tables.get(
        tableKey(name.startsWith('#') ? '' : (parts.at(-2) ?? 'dbo'), name),
      );
      if (table === undefined) continue;
      const afterAs = tokens[end + 1]?.lower === 'as' ? end + 2 : end + 1;
      const alias = tokens[afterAs];
      scope.push({ alias: name.toLowerCase(), table });
      if (isNameToken(alias)) scope.push({ alias: (alias as Token).lower, table });
    }
    return scope;
  }
}

const TABLE_FOLLOWS = new Set('from join into insert update delete using merge table'.split(' '));

const isNameToken = (token: Token | undefined): boolean => token?.kind === 'word' || token?.kind === 'quoted';

export const tableKey = (schema: string, name: string): string =>
  name.startsWith('#') ? name.toLowerCase() : `${schema || 'dbo'}.${name}`.toLowerCase();

/** An expression whose type may not be known. */
export const typed = (sql: string, type: SqlType | undefined): Expression => (type ? { sql, type } : { sql });
