// RPC requests (MS-TDS 2.2.6.6): sp_executesql, prepared statements, and procedures called by name.
import { Batch, type BatchOptions } from './batch.ts';
import type { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { SqlError, toSqlError } from './errors.ts';
import { declaredParameters } from './procedures.ts';
import { DoneStatus, Token } from './response.ts';
import type { SessionState, Variable, Variables } from './session-state.ts';
import { postgresType } from './sql-types.ts';
import { dropTableValue, loadTableValue, readTableValue, type TableValue } from './table-types.ts';
import { columnTypeInfo, declaredType, readTypeInfo, readValue, writeTypeInfo } from './type-info.ts';
import { parameterText } from './values-from-client.ts';
import { valueEncoder } from './values-to-client.ts';

const BY_NUMBER: Readonly<Record<number, string>> = {
  10: 'sp_executesql',
  11: 'sp_prepare',
  12: 'sp_execute',
  13: 'sp_prepexec',
  15: 'sp_unprepare',
};
const BY_REFERENCE = 0x01;
const TABLE_TYPE = 0xf3;

interface RpcParameter {
  readonly name: string;
  readonly output: boolean;
  readonly variable: Variable;
  /** Set for a table-valued parameter. */
  readonly table?: TableValue;
}

interface Prepared {
  readonly sql: string;
  readonly parameters: readonly { name: string; variable: Variable }[];
}

/** The prepared statements of a session. */
export class PreparedStatements {
  readonly #statements = new Map<number, Prepared>();
  #last = 0;

  add(prepared: Prepared): number {
    this.#statements.set(++this.#last, prepared);
    return this.#last;
  }

  get(handle: number): Prepared {
    const prepared = this.#statements.get(handle);
    if (prepared === undefined)
      throw new SqlError(8179, `Could not find prepared statement with handle ${handle}.`);
    return prepared;
  }

  remove(handle: number): void {
    this.#statements.delete(handle);
  }
}

function readParameters(reader: ByteReader): RpcParameter[] {
  const parameters: RpcParameter[] = [];
  while (!reader.atEnd) {
    const name = reader.shortString();
    const status = reader.u8();
    if (reader.buffer[reader.offset] === TABLE_TYPE) {
      reader.u8();
      const table = readTableValue(reader);
      const variable = { type: { name: 'table' }, value: null };
      parameters.push({ name: name.toLowerCase(), output: false, variable, table });
      continue;
    }
    const info = readTypeInfo(reader);
    const value = parameterText(info, readValue(reader, info));
    parameters.push({
      name: name.toLowerCase(),
      output: (status & BY_REFERENCE) !== 0,
      variable: { type: declaredType(info), value },
    });
  }
  return parameters;
}

/** Runs one RPC request and writes its whole response but the end of the message. */
export async function remoteCall(
  state: SessionState,
  prepared: PreparedStatements,
  reader: ByteReader,
  options: Omit<BatchOptions, 'doneToken'>,
): Promise<void> {
  const length = reader.u16();
  const name =
    length === 0xffff
      ? (BY_NUMBER[reader.u16()] ?? 'a cursor procedure')
      : reader.bytes(length * 2).toString('utf16le');
  reader.u16();
  const call = new RemoteCall(state, prepared, readParameters(reader), {
    ...options,
    doneToken: Token.doneInProcedure,
  });
  let succeeded = true;
  try {
    succeeded = await call.perform(
      name
        .replaceAll(/[[\]]/g, '')
        .toLowerCase()
        .replace(/^(master\.)?(dbo|sys)?\./, ''),
    );
  } catch (error) {
    succeeded = false;
    const { database, processId, transactions } = state;
    state.response.error(
      toSqlError(error, { verb: 'execute', database, processId, snapshot: transactions.snapshot }),
    );
  }
  state.response.writer.u8(Token.returnStatus).u32(succeeded ? 0 : 1);
  if (succeeded) await call.returnValues();
  state.response.done(
    Token.doneProcedure,
    (succeeded ? 0 : DoneStatus.error) | state.transactions.doneStatus,
    0xe0,
    0,
  );
}

class RemoteCall {
  readonly #state: SessionState;
  readonly #prepared: PreparedStatements;
  readonly #parameters: readonly RpcParameter[];
  readonly #options: BatchOptions;
  #variables: Variables = new Map();
  readonly #returned: { name: string; variable: Variable }[] = [];

  constructor(
    state: SessionState,
    prepared: PreparedStatements,
    parameters: readonly RpcParameter[],
    options: BatchOptions,
  ) {
    this.#state = state;
    this.#prepared = prepared;
    this.#parameters = parameters;
    this.#options = options;
  }

  #text(index: number): string {
    return this.#parameters[index]?.variable.value ?? '';
  }

  async perform(name: string): Promise<boolean> {
    switch (name) {
      case 'sp_executesql':
        return this.#run(
          { sql: this.#text(0), parameters: declaredParameters(this.#state, this.#text(1)) },
          2,
        );
      case 'sp_prepare':
        this.#returnHandle({
          sql: this.#text(2),
          parameters: declaredParameters(this.#state, this.#text(1)),
        });
        return true;
      case 'sp_prepexec': {
        const statement = { sql: this.#text(2), parameters: declaredParameters(this.#state, this.#text(1)) };
        this.#returnHandle(statement);
        return this.#run(statement, 3);
      }
      case 'sp_execute':
        return this.#run(this.#prepared.get(Number(this.#text(0))), 1);
      case 'sp_unprepare':
        this.#prepared.remove(Number(this.#text(0)));
        return true;
      case 'sp_reset_connection':
        await this.#state.reset();
        return true;
      default:
        return this.#procedure(name);
    }
  }

  #returnHandle(statement: Prepared): void {
    const handle = this.#prepared.add(statement);
    const name = this.#parameters[0]?.name ?? '@handle';
    this.#returned.push({ name, variable: { type: { name: 'int' }, value: String(handle) } });
  }

  /** Runs a text with the parameters from `first` on; those without a name go by their place. */
  async #run(statement: Prepared, first: number): Promise<boolean> {
    const given = this.#parameters.slice(first);
    for (const [index, declared] of statement.parameters.entries()) {
      const parameter =
        given.find((each) => each.name === declared.name) ??
        (given[index]?.name === '' ? given[index] : undefined);
      if (parameter === undefined) {
        throw new SqlError(
          8178,
          `The parameterized query expects the parameter '${declared.name}', which was not supplied.`,
        );
      }
      // The declaration rules; the value came as the client's nearest type.
      this.#variables.set(declared.name, { type: declared.variable.type, value: parameter.variable.value });
      if (parameter.output)
        this.#returned.push({
          name: declared.name,
          variable: this.#variables.get(declared.name) as Variable,
        });
    }
    return this.#state.scoped(() =>
      new Batch(this.#state, this.#variables, this.#options).run(statement.sql),
    );
  }

  /** Another procedure: as EXEC would call it, so that there is one list of those known. */
  async #procedure(name: string): Promise<boolean> {
    const { postgres } = this.#state;
    const tables: string[] = [];
    for (const { table, variable } of this.#parameters) {
      if (table === undefined) continue;
      variable.value = await loadTableValue(postgres, table);
      tables.push(variable.value);
    }
    try {
      return await this.#execute(name);
    } finally {
      for (const table of tables) await dropTableValue(postgres, table);
    }
  }

  #execute(name: string): Promise<boolean> {
    const args = this.#parameters.map((parameter, index) => {
      const variable = `@p${index}`;
      this.#variables.set(variable, parameter.variable);
      if (parameter.output) this.#returned.push({ name: parameter.name, variable: parameter.variable });
      return `${parameter.name ? `${parameter.name} = ` : ''}${variable}${parameter.output ? ' OUTPUT' : ''}`;
    });
    const quoted = name.split('.').map((part) => `[${part}]`);
    return new Batch(this.#state, this.#variables, this.#options).run(
      `EXEC ${quoted.join('.')} ${args.join(', ')}`,
    );
  }

  /** RETURNVALUE tokens: handles and OUTPUT parameters. */
  async returnValues(): Promise<void> {
    for (const [ordinal, { name, variable }] of this.#returned.entries())
      await this.#returnValue(ordinal, name, variable);
  }

  async #returnValue(ordinal: number, name: string, variable: Variable): Promise<void> {
    const { writer } = this.#state.response;
    const info = columnTypeInfo(variable.type, this.#state.utf8);
    const value = new ByteWriter(256);
    let oid = 0;
    const [parameter] = this.#state.parameters(new Map([['@value', variable]]), ['@value']);
    await this.#state.postgres.run(
      `SELECT CAST($1 AS ${postgresType(variable.type)})`,
      parameter ? [parameter] : [],
      {
        onFields: ([field]) => {
          oid = field?.type ?? 0;
        },
        onRow: (buffer, start) => {
          const length = buffer.readInt32BE(start + 2);
          if (length >= 0) valueEncoder(info, oid)(value, buffer, start + 6, length);
          else writeNull(value, info.length, info.type);
        },
      },
    );
    writer.u8(Token.returnValue).u16(ordinal).shortString(name).u8(1).u32(0).u16(0);
    writeTypeInfo(writer, info);
    writer.bytes(value.take());
  }
}

const TWO_BYTE_LENGTH = 0xa5;
const MAX_LENGTH = 0xffff;

function writeNull(writer: ByteWriter, length: number, type: number): void {
  if (type < TWO_BYTE_LENGTH) writer.u8(0);
  else if (length === MAX_LENGTH) writer.u32(0xffffffff).u32(0xffffffff);
  else writer.u16(MAX_LENGTH);
}
