// INSERT BULK: the client's row stream becomes PostgreSQL COPY BINARY, with back-pressure on the client.
import { ByteReader, NeedMoreBytes } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { SqlError, syntaxError } from './errors.ts';
import type { PostgresConnection } from './postgres-wire.ts';
import { Token } from './response.ts';
import { Oid } from './sql-types.ts';
import { heldName, quoteName } from './translate/token-stream.ts';
import type { Translator } from './translate/translator.ts';
import { dataType } from './translate/types.ts';
import { readTypeInfo, readValue, TdsType, type TypeInfo } from './type-info.ts';
import { COPY_HEAD, writeCopyField } from './values-from-client.ts';

const SEND_BYTES = 1 << 18;

/** Where a bulk load goes, as its INSERT BULK statement says. */
export interface BulkTarget {
  readonly table: string;
  readonly columns: readonly string[];
  readonly keepNulls: boolean;
}

/** INSERT BULK table (column type, ...) WITH (options), after its first two words. */
export function insertBulk(t: Translator): BulkTarget {
  const { tokens } = t;
  const table = t.tableName(tokens.dottedName());
  const columns: string[] = [];
  tokens.expectSymbol('(');
  do {
    columns.push(tokens.name());
    dataType(t);
    if (tokens.accept('collate')) tokens.name();
  } while (tokens.acceptSymbol(','));
  tokens.expectSymbol(')');
  let keepNulls = false;
  if (tokens.accept('with')) {
    const start = tokens.position;
    tokens.skipGroup();
    keepNulls = tokens.tokens.slice(start, tokens.position).some((token) => token.lower === 'keep_nulls');
  }
  return { table: table.sql, columns, keepNulls };
}

interface HeldColumn {
  readonly oid: number;
  readonly declared: string;
  readonly defaultValue: string | null;
}

/** The PostgreSQL types (domains opened) and defaults of the columns named. */
export async function heldColumns(
  postgres: PostgresConnection,
  table: string,
  columns: readonly string[],
): Promise<HeldColumn[]> {
  const rows = await postgres.rows(
    `select a.attname::text, coalesce(nullif(t.typbasetype, 0), t.oid)::int8::text, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid)
     from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped`,
    [{ type: Oid.text, value: table }],
  );
  const byName = new Map(rows.map((row) => [row[0], row]));
  return columns.map((name) => {
    const row = byName.get(heldName(name));
    if (row === undefined) throw new SqlError(207, `Invalid column name '${name}'.`);
    return { oid: Number(row[1]), declared: row[2] ?? 'text', defaultValue: row[3] ?? null };
  });
}

/** One running load. Bytes are pushed in; `finish` ends it and returns the number of rows stored. */
export class BulkLoad {
  readonly #postgres: PostgresConnection;
  readonly #target: BulkTarget;
  readonly #columns: readonly HeldColumn[];
  readonly #writer = new ByteWriter(1 << 19);
  readonly #copyTable: string;
  #copying: Promise<unknown> | undefined;
  #rest: Buffer = Buffer.alloc(0);
  #types: TypeInfo[] | undefined;
  #failure: unknown;
  #rows = 0;

  private constructor(postgres: PostgresConnection, target: BulkTarget, columns: readonly HeldColumn[]) {
    this.#postgres = postgres;
    this.#target = target;
    this.#columns = columns;
    this.#copyTable = this.#staged ? 'pg_temp.tsql_bulk' : target.table;
  }

  /** NULLs become defaults unless KEEP_NULLS was said: such rows go through a staging table. */
  get #staged(): boolean {
    return !this.#target.keepNulls && this.#columns.some((column) => column.defaultValue !== null);
  }

  /** Looks the target up; rejects with 207 or 208 before any row is sent. */
  static async prepare(postgres: PostgresConnection, target: BulkTarget): Promise<BulkLoad> {
    return new BulkLoad(postgres, target, await heldColumns(postgres, target.table, target.columns));
  }

  /** Starts COPY; resolves when PostgreSQL takes data, or when it refuses (which `finish` reports). */
  async start(): Promise<void> {
    const names = this.#target.columns.map(quoteName).join(', ');
    if (this.#staged) {
      const declared = this.#columns.map(
        (column, index) => `${quoteName(this.#target.columns[index] as string)} ${column.declared}`,
      );
      await this.#postgres.simple(
        `DROP TABLE IF EXISTS pg_temp.tsql_bulk; CREATE TEMPORARY TABLE tsql_bulk (${declared.join(', ')})`,
      );
    }
    this.#writer.bytes(COPY_HEAD);
    await new Promise<void>((ready) => {
      const copying = this.#postgres.simple(`COPY ${this.#copyTable} (${names}) FROM STDIN BINARY`, {
        onCopyIn: ready,
      });
      copying.then(
        () => ready(),
        (error: unknown) => {
          this.#failure ??= error;
          ready();
        },
      );
      this.#copying = copying.catch(() => undefined);
    });
  }

  /** Takes bytes of the row stream; false asks the caller to wait for PostgreSQL's drain. */
  push(payload: Buffer): boolean {
    if (this.#failure !== undefined) return true;
    try {
      return this.#consume(payload);
    } catch (error) {
      this.#failure = error;
      return true;
    }
  }

  #consume(payload: Buffer): boolean {
    const reader = new ByteReader(this.#rest.length > 0 ? Buffer.concat([this.#rest, payload]) : payload);
    let done = 0;
    try {
      // A client without a row to send leaves out the columns as well.
      if (this.#types === undefined && reader.buffer[0] !== Token.done) {
        this.#types = readColumnMetadata(reader);
        if (this.#types.length !== this.#columns.length)
          throw new SqlError(
            4819,
            'Cannot bulk load. The bulk data stream was incorrectly specified as sorted or has another number of columns.',
          );
        done = reader.offset;
      }
      while (!reader.atEnd) {
        this.#row(reader);
        done = reader.offset;
      }
    } catch (error) {
      if (!(error instanceof NeedMoreBytes)) throw error;
    }
    this.#rest = Buffer.from(reader.buffer.subarray(done));
    return this.#writer.length < SEND_BYTES || this.#postgres.copyData(this.#writer.take());
  }

  #row(reader: ByteReader): void {
    const token = reader.u8();
    if (token === Token.done) {
      reader.bytes(12);
      return;
    }
    if (token !== Token.row || this.#types === undefined)
      throw syntaxError(`bulk token 0x${token.toString(16)}`);
    const types = this.#types;
    const mark = this.#writer.length;
    try {
      this.#writer.i16be(types.length);
      for (let index = 0; index < types.length; index++) {
        const info = types[index] as TypeInfo;
        const { oid } = this.#columns[index] as HeldColumn;
        writeCopyField(this.#writer, info, readValue(reader, info, true), oid);
      }
    } catch (error) {
      this.#writer.length = mark;
      throw error;
    }
    this.#rows++;
  }

  /** Ends the load. `aborted`: the client gave up, nothing is stored. */
  async finish(aborted = false): Promise<number> {
    if (aborted) this.#failure ??= new SqlError(3617, 'The bulk load was cancelled by the client.');
    if (this.#failure === undefined && this.#rest.length > 0)
      this.#failure = new SqlError(4804, 'Premature end-of-message while reading the bulk data stream.');
    if (this.#failure !== undefined) {
      this.#postgres.copyFail('the bulk load failed');
      await this.#copying;
      throw this.#failure;
    }
    this.#writer.i16be(-1);
    this.#postgres.copyData(this.#writer.take());
    this.#postgres.copyDone();
    await this.#copying;
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#staged) await this.#unstage();
    return this.#rows;
  }

  async #unstage(): Promise<void> {
    const names = this.#target.columns.map(quoteName);
    const values = this.#columns.map((column, index) =>
      column.defaultValue === null ? names[index] : `coalesce(${names[index]}, ${column.defaultValue})`,
    );
    await this.#postgres.simple(
      `INSERT INTO ${this.#target.table} (${names.join(', ')}) OVERRIDING SYSTEM VALUE SELECT ${values.join(', ')} FROM pg_temp.tsql_bulk; DROP TABLE pg_temp.tsql_bulk`,
    );
  }
}

function readColumnMetadata(reader: ByteReader): TypeInfo[] {
  if (reader.u8() !== Token.columnMetadata) throw syntaxError('bulk data without column metadata');
  const types: TypeInfo[] = [];
  for (let left = reader.u16(); left > 0; left--) {
    reader.bytes(6);
    const info = readTypeInfo(reader);
    const blob = info.type === TdsType.text || info.type === TdsType.ntext || info.type === TdsType.image;
    if (blob) reader.longString();
    reader.shortString();
    types.push(info);
  }
  return types;
}
