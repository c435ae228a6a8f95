// Reads out of a statement which tables, columns and procedures it needs, without understanding more of it than that.
import { type Folding, sqlTokens, type Token } from './tokens.ts';

/** What a comparison says a column holds. */
export interface ColumnUse {
  readonly name: string;
  /** Texts and numbers it is compared with for equality: rows have to hold them. */
  readonly equals: (string | number)[];
  kind?: 'integer' | 'number' | 'date' | 'text' | 'boolean';
}

/** What comes after the list of a SELECT, or begins another statement. */
const SELECT_ENDS = new Set([
  'from',
  'where',
  'union',
  'except',
  'intersect',
  'order',
  'select',
  'insert',
  'update',
]);

export interface TableUse {
  /** Parts of the dotted name: table, schema.table, database.schema.table. */
  readonly path: readonly string[];
  /** By lower-case name. */
  readonly columns: Map<string, ColumnUse>;
  written: boolean;
  /** Values of an INSERT that names no columns: it takes the table's own, so many. */
  values: ColumnUse['kind'][];
  /** Made by the statement itself: CREATE TABLE, SELECT INTO. */
  created: boolean;
  /** CHANGETABLE reads its changes; the key's columns where the statement tells them. */
  tracked?: string[];
  /** The capture instance by whose name its Change Data Capture is read. */
  captured?: string;
}

export interface ProcedureUse {
  readonly path: readonly string[];
  readonly parameters: readonly { readonly name: string; readonly isOutput: boolean }[];
}

/** One column of a result: its name, and the column it shows where it shows just one. */
export interface OutputColumn {
  readonly name: string;
  readonly column?: string;
}

export interface SqlUse {
  readonly tables: TableUse[];
  readonly procedures: ProcedureUse[];
  /** Columns of the last SELECT that stands for itself; undefined where none does. */
  readonly output?: readonly OutputColumn[];
  /** Whether that SELECT has a `*` in its list. */
  readonly star: boolean;
  /** It raises an error by itself: RAISERROR, THROW, SIGNAL. */
  readonly raises: boolean;
}

const KEYWORDS = new Set(
  `select from where and or not in is null like between exists as on join inner left right full outer cross apply union all
distinct top order group by having asc desc case when then else end with into values insert update delete set merge using
matched truncate table create alter drop if begin commit rollback transaction tran exec execute call return declare
limit offset fetch next rows row only over partition interval cast convert try_cast current_date current_timestamp
current_time true false go print while nolock tablock hint option percent ties replace view index schema database
procedure proc function returns default primary key constraint references unique identity ilike similar to escape
for xml json path any some array lateral unnest qualify sample recursive temp temporary copy put get warehouse role
use grant revoke show describe explain clone language date timestamp time datetime datetime2 int integer bigint smallint
varchar nvarchar char text numeric decimal float double precision boolean bool bit number string variant raiserror throw
try catch raise exception do language output inserted deleted pivot unpivot at zone year month day hour minute second
quarter week dayofyear day_ epoch dow both leading trailing except intersect collate within preceding following unbounded
current range nocount off analyze vacuum cascade restart if_exists`.split(/\s+/),
);

/** Keywords that are usual names of columns too. */
const SOFT = new Set(
  `date timestamp time year month day hour minute second week quarter key number text path option index view role copy
range value language zone pivot go use put get sample json xml string variant current row rows next level type status
name order_ output returns show text char`.split(/\s+/),
);

/** Functions that take numbers only. */
const ARITHMETIC = new Set([
  'sum',
  'avg',
  'abs',
  'round',
  'floor',
  'ceiling',
  'ceil',
  'stddev',
  'variance',
  'sqrt',
]);

/** The functions that Change Data Capture makes for each capture instance. */
const CHANGES_OF = /^fn_cdc_get_(?:all|net)_changes_(.+)$/i;

/** Words after which a table's name comes. */
const TABLE_AFTER = new Set(['from', 'join', 'into', 'update', 'using']);

/** Scans a text of one or more statements. */
export function scanSql(sql: string, folding: Folding = 'none'): SqlUse {
  const tokens = sqlTokens(sql, folding);
  const scanner = new Scanner(tokens);
  scanner.scan();
  return scanner.result();
}

interface Scope {
  /** Tables in the order in which they were named; aliases lead to them too. */
  readonly tables: TableUse[];
  readonly aliases: Map<string, TableUse>;
  readonly derived: Set<string>;
  /** Names that CHANGETABLE goes by. */
  readonly changes: Set<string>;
}

class Scanner {
  readonly #tokens: readonly Token[];
  readonly #tables = new Map<string, TableUse>();
  readonly #procedures: ProcedureUse[] = [];
  readonly #common = new Set<string>();
  #output: OutputColumn[] | undefined;
  #star = false;
  #raises = false;

  constructor(tokens: readonly Token[]) {
    this.#tokens = withoutDistinctOn(tokens);
  }

  result(): SqlUse {
    const tables = [...this.#tables.values()];
    return {
      tables,
      procedures: this.#procedures,
      ...(this.#output === undefined ? {} : { output: this.#output }),
      star: this.#star,
      raises: this.#raises,
    };
  }

  scan(): void {
    const tokens = this.#tokens;
    // Common table expressions first: their names are no tables.
    tokens.forEach((token, at) => {
      if (token.lower !== 'as' || tokens[at + 1]?.text !== '(') return;
      const next = tokens[at + 2]?.lower;
      if (next !== 'select' && next !== 'with') return;
      let name = tokens[at - 1];
      if (name?.text === ')') {
        let back = at - 1;
        for (let depth = 0; back >= 0; back--) {
          if (tokens[back]?.text === ')') depth++;
          if (tokens[back]?.text === '(' && --depth === 0) break;
        }
        name = tokens[back - 1];
      }
      if (name !== undefined) this.#common.add(name.lower);
    });
    tokens.forEach(({ lower }, at) => {
      const instance = tokens[at + 2];
      if (lower === 'fn_cdc_get_min_lsn' && instance?.kind === 'text') this.#instance(instance.text);
    });
    let start = 0;
    for (let at = 0, depth = 0; at <= tokens.length; at++) {
      const token = tokens[at];
      if (token?.text === '(') depth++;
      if (token?.text === ')') depth--;
      if (token === undefined || (token.text === ';' && depth <= 0) || this.#begins(at, depth)) {
        if (at > start) this.#statement(start, at);
        start = token?.text === ';' ? at + 1 : at;
        depth = 0;
      }
    }
  }

  /** Statements of T-SQL need no semicolon between them. */
  #begins(at: number, depth: number): boolean {
    if (depth > 0 || at === 0) return false;
    const { lower, kind } = this.#tokens[at] as Token;
    if (kind !== 'word') return false;
    const before = this.#tokens[at - 1]?.lower ?? '';
    if (['insert', 'truncate', 'merge', 'exec', 'execute', 'call', 'declare', 'print'].includes(lower))
      return !['then', 'or', 'as'].includes(before);
    if (lower === 'delete' || lower === 'update')
      return !['then', 'for', 'on', 'matched', 'or', ',', 'do'].includes(before);
    return lower === 'begin' || lower === 'go';
  }

  #statement(from: number, to: number): void {
    const first = this.#tokens
      .slice(from, to)
      .find(({ lower }) => lower !== 'begin' && lower !== 'end')?.lower;
    const words = this.#tokens.slice(from, to);
    if (
      words.some(
        ({ kind, lower }, at) =>
          kind === 'word' && (lower === 'raiserror' || lower === 'throw') && words[at + 1]?.text !== '.',
      )
    )
      this.#raises = true;
    if (first === 'exec' || first === 'execute' || first === 'call') {
      this.#procedure(from, to);
      return;
    }
    this.#scope(from, to, undefined, true);
  }

  #procedure(from: number, to: number): void {
    let at = from;
    while (at < to && !['exec', 'execute', 'call'].includes(this.#tokens[at]?.lower ?? '')) at++;
    at++;
    if (this.#tokens[at]?.kind === 'variable' && this.#tokens[at + 1]?.text === '=') at += 2;
    const { path, end } = this.#path(at);
    if (path.length === 0 || path.at(-1)?.toLowerCase() === 'sp_executesql') return;
    const parameters: { name: string; isOutput: boolean }[] = [];
    let argument: Token[] = [];
    const close = (): void => {
      const [first, second] = argument;
      if (first === undefined) return;
      const isNamed = first.kind === 'variable' && second?.text === '=';
      const name = isNamed ? first.text.slice(1) : `p${parameters.length + 1}`;
      parameters.push({ name, isOutput: ['output', 'out'].includes(argument.at(-1)?.lower ?? '') });
      argument = [];
    };
    for (let index = end, depth = 0; index < to; index++) {
      const token = this.#tokens[index] as Token;
      if (token.text === '(' && index === end) continue;
      if (token.text === '(') depth++;
      if (token.text === ')' && --depth < 0) break;
      if (token.lower === 'with' && depth === 0) break;
      if (token.text === ',' && depth === 0) close();
      else argument.push(token);
    }
    close();
    this.#procedures.push({ path, parameters });
  }

  /** A dotted name from here on. */
  #path(at: number): { path: string[]; end: number } {
    const path: string[] = [];
    let end = at;
    for (;;) {
      const token = this.#tokens[end];
      if (token === undefined || (token.kind !== 'word' && token.kind !== 'name')) break;
      const isKeyword = token.kind === 'word' && path.length === 0 && KEYWORDS.has(token.lower);
      if (isKeyword && !(SOFT.has(token.lower) && this.#isColumnPlace(end))) break;
      path.push(token.text);
      end++;
      if (this.#tokens[end]?.text !== '.') break;
      end++;
      // database..table
      if (this.#tokens[end]?.text === '.') {
        path.push('');
        end++;
      }
    }
    return { path, end };
  }

  /** Reads tokens as one query's: its tables first, then its columns; what is in brackets with a SELECT is its own. */
  #scope(from: number, to: number, outer: Scope | undefined, top: boolean): void {
    const scope: Scope = {
      tables: [],
      aliases: new Map(outer?.aliases),
      derived: new Set(outer?.derived),
      changes: new Set(outer?.changes),
    };
    const inner: [number, number][] = [];
    const skip = new Set<number>();
    for (let at = from; at < to; at++) {
      if (this.#tokens[at]?.text !== '(') continue;
      const next = this.#tokens[at + 1]?.lower;
      if (next !== 'select' && next !== 'with') continue;
      const end = this.#closing(at, to);
      inner.push([at + 1, end]);
      for (let index = at; index <= end; index++) skip.add(index);
      const alias = this.#aliasAfter(end + 1, to);
      if (alias !== undefined) scope.derived.add(alias.lower);
      at = end;
    }
    // What a derived table calls its own columns are no columns of the tables beside it.
    const named = inner.flatMap(([start, end]) => [...this.#outputAliases(start, end, new Set())]);
    this.#readTables(from, to, scope, skip);
    this.#readColumns(from, to, scope, skip, new Set(named));
    if (top) this.#readOutput(from, to, skip);
    for (const [start, end] of inner) this.#scope(start, end, scope, false);
  }

  #closing(open: number, to: number): number {
    for (let at = open, depth = 0; at < to; at++) {
      if (this.#tokens[at]?.text === '(') depth++;
      if (this.#tokens[at]?.text === ')' && --depth === 0) return at;
    }
    return to;
  }

  #aliasAfter(at: number, to: number): Token | undefined {
    const token = this.#tokens[at]?.lower === 'as' ? this.#tokens[at + 1] : this.#tokens[at];
    if (token === undefined || at >= to) return undefined;
    return token.kind === 'name' || (token.kind === 'word' && !KEYWORDS.has(token.lower)) ? token : undefined;
  }

  #readTables(from: number, to: number, scope: Scope, skip: Set<number>): void {
    const tokens = this.#tokens;
    for (let at = from; at < to; at++) {
      if (skip.has(at)) continue;
      const { lower, kind } = tokens[at] as Token;
      if (kind !== 'word') continue;
      const before = tokens[at - 1]?.lower ?? '';
      const opens =
        (TABLE_AFTER.has(lower) && !(lower === 'from' && this.#inFunction(at, from))) ||
        (lower === 'table' && ['truncate', 'create', 'drop', 'alter', 'exists'].includes(before)) ||
        (lower === 'truncate' && tokens[at + 1]?.lower !== 'table') ||
        (lower === 'delete' && tokens[at + 1]?.lower !== 'from') ||
        (lower === 'merge' && tokens[at + 1]?.lower !== 'into');
      if (!opens) continue;
      let position = at + 1;
      for (;;) {
        while (['if', 'exists', 'not', 'only', 'top'].includes(tokens[position]?.lower ?? '')) position++;
        if (skip.has(position)) {
          while (skip.has(position)) position++;
          if (this.#aliasAfter(position, to) !== undefined)
            position += tokens[position]?.lower === 'as' ? 2 : 1;
        } else {
          position = this.#table(position, to, scope, lower, before);
          if (lower === 'into') position = this.#insertList(position, to, scope, skip);
        }
        if (lower !== 'from' || tokens[position]?.text !== ',') break;
        position++;
      }
    }
  }

  /** Whether a FROM belongs to extract(year from x), trim(both from x) or substring(x from 1). */
  #inFunction(at: number, from: number): boolean {
    for (let back = at - 1, depth = 0; back >= from; back--) {
      const { text, lower } = this.#tokens[back] as Token;
      if (text === ')') depth++;
      if (text === '(' && --depth < 0)
        return ['extract', 'trim', 'substring', 'overlay', 'position'].includes(
          this.#tokens[back - 1]?.lower ?? '',
        );
      if (lower === 'select' && depth === 0) return false;
    }
    return false;
  }

  /** What Change Data Capture keeps of a table: cdc.fn_cdc_get_..._changes_<instance>(...) and cdc.<instance>_CT. */
  #captured(to: number, scope: Scope, path: readonly string[], end: number): number {
    const name = path.at(-1) ?? '';
    const instance = CHANGES_OF.exec(name)?.[1] ?? /^(.+)_CT$/i.exec(name)?.[1];
    const after = this.#tokens[end]?.text === '(' ? this.#closing(end, to) + 1 : end;
    const alias = this.#aliasAfter(after, to);
    if (instance === undefined) {
      scope.derived.add((alias?.lower ?? name).toLowerCase());
    } else {
      const table = this.#instance(instance);
      scope.tables.push(table);
      scope.aliases.set(name.toLowerCase(), table);
      if (alias !== undefined) scope.aliases.set(alias.lower, table);
    }
    return alias === undefined ? after : after + (this.#tokens[after]?.lower === 'as' ? 2 : 1);
  }

  /** The table of a capture instance: its name is schema_table where nobody gave another. */
  #instance(name: string): TableUse {
    const table = this.#tableUse(/^([^_]+)_(.+)$/.exec(name)?.slice(1, 3) ?? [name]);
    table.captured ??= name;
    return table;
  }

  /** CHANGETABLE(CHANGES table, version) AS alias. */
  #changes(at: number, to: number, scope: Scope): number {
    const { path } = this.#path(at + 3);
    const end = this.#closing(at + 1, to) + 1;
    if (path.length === 0) return end;
    const table = this.#tableUse(path);
    table.tracked ??= [];
    scope.derived.add('changes');
    scope.tables.push(table);
    const alias = this.#aliasAfter(end, to);
    if (alias === undefined) return end;
    scope.aliases.set(alias.lower, table);
    scope.changes.add(alias.lower);
    return end + (this.#tokens[end]?.lower === 'as' ? 2 : 1);
  }

  #tableUse(path: string[]): TableUse {
    const key = path.join('.').toLowerCase();
    let table = this.#tables.get(key);
    if (table === undefined) {
      table = { path, columns: new Map(), written: false, values: [], created: false };
      this.#tables.set(key, table);
    }
    return table;
  }

  #table(at: number, to: number, scope: Scope, verb: string, before: string): number {
    if (this.#tokens[at]?.lower === 'changetable' && this.#tokens[at + 2]?.lower === 'changes')
      return this.#changes(at, to, scope);
    const { path, end } = this.#path(at);
    const name = path.at(-1)?.toLowerCase() ?? '';
    if (path.length === 0 || end > to) return end;
    if (path.at(-2)?.toLowerCase() === 'cdc') return this.#captured(to, scope, path, end);
    // A function with a table for its result, unless it is the list of an INSERT's columns.
    if (this.#tokens[end]?.text === '(' && verb !== 'into' && verb !== 'table') return end;
    const alias = this.#aliasAfter(end, to);
    if (path.length === 1 && this.#common.has(name)) {
      if (alias !== undefined) scope.derived.add(alias.lower);
      scope.derived.add(name);
      return alias === undefined ? end : end + (this.#tokens[end]?.lower === 'as' ? 2 : 1);
    }
    const known = path.length === 1 ? scope.aliases.get(name) : undefined;
    // UPDATE a ... FROM t a: the alias is no table.
    if (name.startsWith('#') || (known !== undefined && known.path.at(-1)?.toLowerCase() !== name))
      return end;
    const table = this.#tableUse(path);
    if (verb !== 'from' && verb !== 'join' && verb !== 'using') table.written = true;
    if (verb === 'table' && before === 'create') table.created = true;
    if (verb === 'into' && before !== 'insert' && before !== 'merge') table.created = true;
    scope.tables.push(table);
    scope.aliases.set(name, table);
    if (alias === undefined) return end;
    scope.aliases.set(alias.lower, table);
    return end + (this.#tokens[end]?.lower === 'as' ? 2 : 1);
  }

  /** The list of columns after INSERT INTO t: columns of that table whatever they are called. */
  #insertList(at: number, to: number, scope: Scope, skip: Set<number>): number {
    const table = scope.tables.at(-1);
    const next = this.#tokens[at + 1]?.lower;
    if (table !== undefined && this.#tokens[at]?.lower === 'values') this.#plainValues(table, at + 1, to);
    if (table !== undefined && this.#tokens[at]?.lower === 'select') this.#selectedValues(table, at + 1, to);
    if (table === undefined || this.#tokens[at]?.text !== '(' || next === 'select' || next === 'with')
      return at;
    const end = this.#closing(at, to);
    const kinds = this.#tokens[end + 1]?.lower === 'values' ? this.#valueKinds(end + 2, to) : [];
    let position = 0;
    for (let index = at; index <= end; index++) {
      const token = this.#tokens[index];
      skip.add(index);
      if (token?.text === ',') position++;
      if (token?.kind !== 'word' && token?.kind !== 'name') continue;
      this.#useColumn(table, token.text, end + 1);
      const use = table.columns.get(token.lower);
      const kind = kinds[position];
      if (use !== undefined && kind !== undefined) use.kind ??= kind;
    }
    return end + 1;
  }

  /** VALUES without a list of columns before it. */
  #plainValues(table: TableUse, open: number, to: number): void {
    const values = this.#valueKinds(open, to);
    if (values.length > table.values.length) table.values = values;
  }

  /** SELECT without a list of columns before it: as many as it shows, unless it shows all of something. */
  #selectedValues(table: TableUse, from: number, to: number): void {
    const values: ColumnUse['kind'][] = [undefined];
    let isFirst = true;
    for (let at = from, depth = 0; at < to; at++) {
      const token = this.#tokens[at] as Token;
      if (depth === 0 && (token.text === ';' || SELECT_ENDS.has(token.lower))) break;
      if (token.text === '(') depth++;
      if (token.text === ')' && --depth < 0) break;
      if (depth === 0 && token.text === '*' && (isFirst || this.#tokens[at - 1]?.text === '.')) return;
      if (token.text === ',' && depth === 0) values.push(undefined);
      else if (isFirst) values[values.length - 1] = kindOfToken(token);
      isFirst = (token.text === ',' && depth === 0) || token.lower === 'distinct';
    }
    if (this.#tokens[from]?.lower !== 'top' && values.length > table.values.length) table.values = values;
  }

  /** What the first row of VALUES holds, by position. */
  #valueKinds(open: number, to: number): ColumnUse['kind'][] {
    const end = this.#closing(open, to);
    const kinds: ColumnUse['kind'][] = [undefined];
    for (let at = open + 1, depth = 0; at < end; at++) {
      const token = this.#tokens[at] as Token;
      if (token.text === '(') depth++;
      if (token.text === ')') depth--;
      if (token.text === ',' && depth === 0) kinds.push(undefined);
      else if (kinds.at(-1) === undefined) kinds[kinds.length - 1] = kindOfToken(token);
    }
    return kinds;
  }

  /** Whether a word that is also a keyword stands where only a column can. */
  #isColumnPlace(at: number): boolean {
    const before = this.#tokens[at - 1]?.lower ?? '';
    const after = this.#tokens[at + 1]?.lower ?? '';
    if (this.#tokens[at - 2]?.lower === 'extract') return false;
    return (
      [
        '(',
        ',',
        'select',
        'where',
        'and',
        'or',
        'by',
        'on',
        'set',
        '=',
        '<',
        '>',
        '<=',
        '>=',
        'distinct',
      ].includes(before) &&
      [
        '',
        ',',
        ')',
        '=',
        '<',
        '>',
        '<=',
        '>=',
        '<>',
        '!=',
        'between',
        'in',
        'is',
        'like',
        'from',
        'as',
        'asc',
        'desc',
        'and',
        'or',
        ';',
      ].includes(after)
    );
  }

  #readColumns(
    from: number,
    to: number,
    scope: Scope,
    skip: ReadonlySet<number>,
    derived: ReadonlySet<string>,
  ): void {
    const tokens = this.#tokens;
    const aliases = this.#outputAliases(from, to, skip);
    // An alias may be called as the column it is made of: in the list itself it is the column that is meant.
    const listEnd = this.#tokens.findIndex(
      ({ kind, lower }, at) =>
        at >= from &&
        at < to &&
        !skip.has(at) &&
        kind === 'word' &&
        lower === 'from' &&
        !this.#inFunction(at, from),
    );
    for (let at = from; at < to; at++) {
      if (skip.has(at)) continue;
      const token = tokens[at] as Token;
      if (token.kind !== 'word' && token.kind !== 'name') continue;
      const previous = tokens[at - 1];
      if (previous?.text === '.') continue;
      const { path, end } = this.#path(at);
      const [first] = path;
      if (first === undefined) continue;
      const last = path.at(-1) as string;
      const next = tokens[end];
      const isCall = next?.text === '(' && !this.#isInsertList(at, scope);
      const isAlias = ['as', ')'].includes(previous?.lower ?? '') && path.length === 1;
      const start = at;
      at = Math.max(at, end - 1);
      if (isCall || isAlias || previous?.text === '::') continue;
      if (
        path.length === 1 &&
        (scope.aliases.has(first.toLowerCase()) || scope.derived.has(first.toLowerCase()))
      )
        continue;
      const isTable = this.#tables.has(path.join('.').toLowerCase());
      if (isTable) continue;
      const owner = path.length > 1 ? (path.at(-2) as string).toLowerCase() : undefined;
      if (owner !== undefined && scope.derived.has(owner)) continue;
      if (owner === undefined && at > listEnd && aliases.has(last.toLowerCase())) continue;
      if (owner === undefined && derived.has(last.toLowerCase())) continue;
      const table = owner === undefined ? scope.tables[0] : scope.aliases.get(owner);
      if (table === undefined || (owner === undefined && scope.derived.size > 0 && scope.tables.length === 0))
        continue;
      if (/^sys_change_|^__\$/i.test(last)) continue;
      if (owner !== undefined && scope.changes.has(owner) && !table.tracked?.includes(last))
        table.tracked?.push(last);
      this.#useColumn(table, last, end, start);
    }
  }

  /** Names that the SELECT list gives: ORDER BY may use them, and they are no columns. */
  #outputAliases(from: number, to: number, skip: ReadonlySet<number>): Set<string> {
    const aliases = new Set<string>();
    for (let at = from; at < to; at++) {
      if (skip.has(at)) continue;
      const token = this.#tokens[at] as Token;
      const before = this.#tokens[at - 1];
      if (token.kind !== 'word' && token.kind !== 'name') continue;
      if (KEYWORDS.has(token.lower) && token.kind === 'word') continue;
      const after = this.#tokens[at + 1]?.lower ?? '';
      const ends = after === ',' || after === 'from' || after === '' || at + 1 >= to;
      if (before?.lower === 'as' && ends) aliases.add(token.lower);
      else if (ends && before !== undefined && (before.text === ')' || before.kind === 'text'))
        aliases.add(token.lower);
    }
    return aliases;
  }

  #isInsertList(at: number, scope: Scope): boolean {
    return scope.aliases.has(this.#tokens[at]?.lower ?? '');
  }

  #useColumn(table: TableUse, name: string, after: number, first = after - 1): void {
    const key = name.toLowerCase();
    let use = table.columns.get(key);
    if (use === undefined) {
      use = { name, equals: [] };
      table.columns.set(key, use);
    }
    const before = this.#tokens[first - 1]?.text;
    const caller = this.#tokens[first - 2]?.lower ?? '';
    if (before === '(' && ARITHMETIC.has(caller)) use.kind ??= 'number';
    const operator = this.#tokens[after]?.lower ?? '';
    if (before === '*' || before === '/' || operator === '*' || operator === '/') use.kind ??= 'number';
    const value = this.#tokens[after + 1];
    // What stands for a NULL is what the column holds.
    if (before === '(' && operator === ',' && /^(isnull|ifnull|coalesce|nvl)$/.test(caller))
      this.#compare(use, operator, value);
    if (['=', '<', '>', '<=', '>=', '<>', '!=', 'between'].includes(operator))
      this.#compare(use, operator, value);
    if (operator === 'in' && value?.text === '(') {
      for (let at = after + 2; at < this.#tokens.length && this.#tokens[at]?.text !== ')'; at++)
        this.#compare(use, '=', this.#tokens[at]);
    }
  }

  #compare(use: ColumnUse, operator: string, value: Token | undefined): void {
    if (value?.kind === 'number') {
      use.kind ??= value.text.includes('.') ? 'number' : 'integer';
      if (operator === '=') use.equals.push(Number(value.text));
    } else if (value?.kind === 'text') {
      use.kind ??= /^\d{4}-\d\d-\d\d/.test(value.text) ? 'date' : 'text';
      if (operator === '=') use.equals.push(value.text);
    } else if (value?.lower === 'true' || value?.lower === 'false') use.kind ??= 'boolean';
    else if (
      /^(current_|getdate|now|sysdate|dateadd|getutcdate|to_date|to_timestamp)/.test(value?.lower ?? '')
    )
      use.kind ??= 'date';
  }

  #readOutput(from: number, to: number, skip: ReadonlySet<number>): void {
    let start = from;
    if (this.#tokens[from]?.lower === 'with')
      while (start < to && (skip.has(start) || this.#tokens[start]?.lower !== 'select')) start++;
    if (this.#tokens[start]?.lower !== 'select') return;
    const items: Token[][] = [[]];
    let depth = 0;
    for (let at = start + 1; at < to; at++) {
      const token = this.#tokens[at] as Token;
      if (token.text === '(') depth++;
      if (token.text === ')') depth--;
      if (
        depth === 0 &&
        ['from', 'into', 'where', 'union', 'order', 'limit'].includes(token.lower) &&
        token.kind === 'word'
      )
        break;
      if (depth === 0 && token.text === ',') items.push([]);
      else items.at(-1)?.push(token);
    }
    const output: OutputColumn[] = [];
    let star = false;
    for (const item of items) {
      while (item[0] !== undefined && ['distinct', 'all', 'top'].includes(item[0].lower)) {
        const wasTop = item.shift()?.lower === 'top';
        if (wasTop && item[0]?.text === '(') item.splice(0, 3);
        else if (wasTop) item.shift();
      }
      if (item.at(-1)?.text === '*') {
        star = true;
        continue;
      }
      const column = columnOf(item);
      if (column !== undefined) output.push(column);
    }
    if (output.length === 0 && !star) return;
    this.#output = output;
    this.#star = star;
  }
}

/** PostgreSQL's DISTINCT ON (a, b) names columns that stand in the list as well. */
function withoutDistinctOn(tokens: readonly Token[]): readonly Token[] {
  const kept: Token[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at] as Token;
    if (token.lower === 'distinct' && tokens[at + 1]?.lower === 'on' && tokens[at + 2]?.text === '(')
      while (at + 1 < tokens.length && tokens[at]?.text !== ')') at++;
    else kept.push(token);
  }
  return kept;
}

function kindOfToken({ kind, text }: Token): ColumnUse['kind'] {
  if (kind === 'number') return text.includes('.') ? 'number' : 'integer';
  if (kind !== 'text') return undefined;
  return /^\d{4}-\d\d-\d\d/.test(text) ? 'date' : 'text';
}

function columnOf(item: readonly Token[]): OutputColumn | undefined {
  const last = item.at(-1);
  if (last === undefined) return undefined;
  // T-SQL also writes the alias first: name = expression.
  if (item.length > 2 && item[1]?.text === '=' && (item[0]?.kind === 'word' || item[0]?.kind === 'name'))
    return { name: item[0].text };
  const alias = item.at(-2)?.lower === 'as';
  const named = last.kind === 'word' || last.kind === 'name' || (alias && last.kind === 'text');
  if (!named) return undefined;
  const words = alias
    ? item.slice(0, -2)
    : item.at(-2)?.text === '.' || item.length === 1
      ? item
      : item.slice(0, -1);
  const isPath = words.every((token, at) =>
    at % 2 === 0 ? token.kind === 'word' || token.kind === 'name' : token.text === '.',
  );
  if (!alias && !isPath && item.at(-2)?.text !== ')' && item.at(-2)?.kind === 'sign') return undefined;
  if (!alias && last.lower === 'end') return undefined;
  const column = isPath ? words.at(-1)?.text : undefined;
  return { name: last.text, ...(column === undefined ? {} : { column }) };
}
