// SQL Server error numbers and wordings, and how a PostgreSQL failure becomes one of them.
import { PostgresError } from './postgres-wire.ts';

/** An error as SQL Server would send it: a number clients act on, a severity class and a text. */
export class SqlError extends Error {
  readonly number: number;
  readonly severity: number;
  readonly state: number;

  constructor(number: number, message: string, severity = 16, state = 1) {
    super(message);
    this.name = 'SqlError';
    this.number = number;
    this.severity = severity;
    this.state = state;
  }
}

export const syntaxError = (near: string): SqlError =>
  new SqlError(102, `Incorrect syntax near '${near}'.`, 15);
export const keywordError = (word: string): SqlError =>
  new SqlError(156, `Incorrect syntax near the keyword '${word}'.`, 15);
export const notSupported = (what: string): SqlError =>
  new SqlError(
    40517,
    `Keyword or statement option '${what}' is not supported by this stand-in for SQL Server.`,
  );
export const unknownFunction = (name: string): SqlError =>
  new SqlError(195, `'${name}' is not a recognized built-in function name.`, 15);

export const noSuchDatabase = (name: string): SqlError =>
  new SqlError(4060, `Cannot open database "${name}" requested by the login. The login failed.`, 11);

/** Errors after which the whole transaction is gone: deadlock victim, update conflict. */
export const isTransactionError = (error: SqlError): boolean =>
  error.number === 1205 || error.number === 3960;

/** What the failing statement was doing, as far as the wording of an error depends on it. */
export interface ErrorContext {
  readonly verb: string;
  readonly database: string;
  readonly snapshot: boolean;
  readonly processId: number;
}

const quoted = (message: string): string => /"((?:[^"]|"")*)"/.exec(message)?.[1] ?? '';

/** SQLSTATE to error number, for the ones that need no details of the message. */
const PLAIN: Readonly<Record<string, readonly [number, string]>> = {
  '22012': [8134, 'Divide by zero error encountered.'],
  '22003': [8115, 'Arithmetic overflow error converting expression to data type.'],
  '22007': [241, 'Conversion failed when converting date and/or time from character string.'],
  '22008': [
    242,
    'The conversion of a character data type to a datetime data type resulted in an out-of-range value.',
  ],
  '55P03': [1222, 'Lock request time out period exceeded.'],
  '57014': [3980, 'The request failed to run because the batch is aborted.'],
  '21000': [
    512,
    'Subquery returned more than 1 value. This is not permitted when the subquery follows =, !=, <, <= , >, >= or when the subquery is used as an expression.',
  ],
  '25P02': [
    3930,
    'The current transaction cannot be committed and cannot support operations that write to the log file.',
  ],
  '53300': [10928, 'Resource ID : 2. The session limit for the database has been reached.'],
  '428C9': [
    544,
    'Cannot insert explicit value for identity column in table when IDENTITY_INSERT is set to OFF.',
  ],
  '53100': [1105, 'Could not allocate space in the database because the disk is full.'],
};

/** Turns any failure of a statement into the SqlError that the client is shown. */
export function toSqlError(error: unknown, context: ErrorContext): SqlError {
  if (error instanceof SqlError) return error;
  if (!(error instanceof PostgresError)) {
    const message = error instanceof Error ? error.message : String(error);
    return new SqlError(50000, `The stand-in failed: ${message}`);
  }
  // Our own functions raise SQL Server's numbers as P and four digits, those from 20000 on as Q and the last four.
  const own = /^P(\d{4})$/.exec(error.sqlState)?.[1];
  if (own !== undefined && Number(own) > 1) return new SqlError(Number(own), error.message);
  const high = /^Q(\d{4})$/.exec(error.sqlState)?.[1];
  if (high !== undefined) return new SqlError(20000 + Number(high), error.message);
  if (error.sqlState === '428C9' && /generated column/.test(error.detail ?? ''))
    return new SqlError(
      271,
      `The column "${/column "([^"]*)"/.exec(error.message)?.[1] ?? ''}" cannot be modified because it is a computed column.`,
    );
  const plain = PLAIN[error.sqlState];
  if (plain !== undefined) return new SqlError(plain[0], `${plain[1]} (${error.message})`);
  return fromPostgres(error, context);
}

function fromPostgres(error: PostgresError, context: ErrorContext): SqlError {
  const table = `${error.schema ?? 'dbo'}.${error.table ?? ''}`;
  const verb = context.verb.toUpperCase();
  switch (error.sqlState) {
    case '23505':
      return duplicateKey(error, table);
    case '23502':
      return new SqlError(
        515,
        `Cannot insert the value NULL into column '${error.column ?? ''}', table '${context.database}.${table}'; column does not allow nulls. ${verb} fails.`,
      );
    case '23503':
    case '23514':
      return checkFailure(error, table, context.database, verb);
    case '22001':
      return new SqlError(
        2628,
        `String or binary data would be truncated in a statement ${verb}. ${error.message}.`,
      );
    case '22P02':
    case '22023':
      return conversionFailure(error);
    case '40P01':
      return deadlock(context);
    case '40001':
      return context.snapshot ? updateConflict(error) : deadlock(context);
    default:
      return nameOrSyntax(error, verb);
  }
}

function duplicateKey(error: PostgresError, table: string): SqlError {
  const values = /=\((.*)\) already exists/.exec(error.detail ?? '')?.[1] ?? '';
  const name = error.constraint ?? '';
  const key = ` The duplicate key value is (${values}).`;
  return new SqlError(
    2627,
    `Violation of PRIMARY KEY or UNIQUE constraint '${name}'. Cannot insert duplicate key in object '${table}'.${key}`,
    14,
  );
}

function checkFailure(error: PostgresError, table: string, database: string, verb: string): SqlError {
  const name = error.constraint ?? '';
  if (name.startsWith('tsql_length_')) {
    return new SqlError(
      2628,
      `String or binary data would be truncated in table '${database}.${table}', column '${name.slice('tsql_length_'.length)}'.`,
    );
  }
  if (/tinyint|bit_check/.test(name)) {
    return new SqlError(220, `Arithmetic overflow error for data type ${name.replace(/_check$/, '')}.`);
  }
  const kind = error.sqlState === '23503' ? 'FOREIGN KEY' : 'CHECK';
  return new SqlError(
    547,
    `The ${verb} statement conflicted with the ${kind} constraint "${name}". The conflict occurred in database "${database}", table "${table}".`,
  );
}

function conversionFailure(error: PostgresError): SqlError {
  const match = /invalid input syntax for type (.+?): "(.*)"/s.exec(error.message);
  if (match === null) return new SqlError(8114, `Error converting data type. (${error.message})`);
  const [, type = '', value = ''] = match;
  if (type === 'numeric' || type.startsWith('double') || type === 'real') {
    return new SqlError(8114, `Error converting data type varchar to ${type}.`);
  }
  if (type === 'uuid') {
    return new SqlError(
      8169,
      'Conversion failed when converting from a character string to uniqueidentifier.',
    );
  }
  const name = type === 'integer' ? 'int' : type;
  return new SqlError(
    245,
    `Conversion failed when converting the varchar value '${value}' to data type ${name}.`,
  );
}

function deadlock(context: ErrorContext): SqlError {
  return new SqlError(
    1205,
    `Transaction (Process ID ${context.processId}) was deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the transaction.`,
    13,
  );
}

function updateConflict(error: PostgresError): SqlError {
  return new SqlError(
    3960,
    `Snapshot isolation transaction aborted due to update conflict. Retry the transaction. (${error.message})`,
  );
}

function nameOrSyntax(error: PostgresError, verb: string): SqlError {
  const name = quoted(error.message);
  const says = ` (${error.message})`;
  switch (error.sqlState) {
    case '42P01':
    case '3F000':
      if (verb === 'DROP')
        return new SqlError(
          3701,
          `Cannot drop the table '${name}', because it does not exist or you do not have permission.`,
          11,
          5,
        );
      if (verb === 'TRUNCATE' || verb === 'ALTER')
        return new SqlError(
          4701,
          `Cannot find the object "${name}" because it does not exist or you do not have permissions.`,
        );
      return new SqlError(208, `Invalid object name '${name}'.`);
    case '42703':
      return new SqlError(
        207,
        `Invalid column name '${name || (/column (\S+) /.exec(error.message)?.[1] ?? '')}'.`,
      );
    case '42P07':
      return new SqlError(2714, `There is already an object named '${name}' in the database.`, 16, 6);
    case '42701':
      return new SqlError(
        2705,
        `Column names in each table must be unique. Column name '${name}' is specified more than once.`,
      );
    case '42702':
      return new SqlError(209, `Ambiguous column name '${name}'.`);
    case '42883':
      return new SqlError(402, `The data types are incompatible in the operator or function.${says}`);
    case '42804':
    case '42846':
      return new SqlError(206, `Operand type clash.${says}`);
    case '42803':
      return new SqlError(
        8120,
        `Column is invalid in the select list because it is not contained in either an aggregate function or the GROUP BY clause.${says}`,
      );
    case '42601':
      return new SqlError(102, `Incorrect syntax near '${name}'.${says}`, 15);
    case '42P04':
      return new SqlError(1801, `Database '${name}' already exists. Choose a different database name.`);
    case '55006':
      return new SqlError(3702, `Cannot drop database "${name}" because it is currently in use.`);
    case '3D000':
      return new SqlError(
        911,
        `Database '${name}' does not exist. Make sure that the name is entered correctly.`,
      );
    case '3B001':
      return new SqlError(
        6401,
        `Cannot roll back ${name}. No transaction or savepoint of that name was found.`,
      );
    case '2BP01':
      return new SqlError(
        3726,
        `Could not drop object '${name}' because it is referenced by another object.`,
      );
    default:
      return new SqlError(50000, `${error.message} [PostgreSQL SQLSTATE ${error.sqlState}]`);
  }
}
