// What a table sink does with the rows: ADF's writeBehavior (or PostgreSQL's writeMethod) and its settings, and ours.
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { booleanSetting, objectSetting, textSetting } from './settings.ts';

/** `keys` are the target's column names as the definition spells them; none means the target's primary key. */
export type WriteBehavior =
  | { readonly kind: 'insert' }
  /** The rows take the place of all rows of the target, in the transaction that publishes them. */
  | { readonly kind: 'replace' }
  | { readonly kind: 'upsert'; readonly keys: readonly string[] }
  /**
   * Rows are changes: `operationColumn` of the source holds I, U or D, of which I and U both leave the row there. With
   * `exact`, which data flows ask for, U is for rows that are there and S is for any.
   */
  | {
      readonly kind: 'changes';
      readonly keys: readonly string[];
      readonly operationColumn: string;
      readonly exact?: boolean;
    }
  /** Rows are handed to a procedure of the store, chunk by chunk. */
  | { readonly kind: 'storedProcedure' };

/** What every table sink reads from its settings. */
export interface TableSinkSettings {
  readonly preCopyScript: string | undefined;
  readonly autoCreate: boolean;
  readonly writeBehavior: WriteBehavior;
  /** The schema of the staging table; the target's own where none is named. */
  readonly stagingSchema: string | undefined;
}

/** SQL Server's name for it in CHANGETABLE. */
const OPERATION_COLUMN = 'SYS_CHANGE_OPERATION';

const keysIn = (settings: JsonObject, place: string): string[] => {
  const keys = settings['keys'] ?? [];
  if (Array.isArray(keys) && keys.every((key) => typeof key === 'string' && key !== ''))
    return keys as string[];
  throw new WaybillError('DEFINITION_INVALID', `"${place}.keys" must be a list of column names.`, {
    key: `${place}.keys`,
  });
};

const writeBehavior = (settings: JsonObject): WriteBehavior => {
  const upsert = objectSetting(settings, 'upsertSettings');
  const changes = objectSetting(settings, 'changeSettings');
  const procedure = textSetting(settings, 'sqlWriterStoredProcedureName') !== undefined;
  const named = textSetting(settings, 'writeBehavior') ?? (procedure ? 'storedProcedure' : undefined);
  const method = textSetting(settings, 'writeMethod');
  const behavior = (named ?? (method?.toLowerCase() === 'upsert' ? 'upsert' : 'insert')).toLowerCase();
  switch (behavior) {
    case 'insert':
      return { kind: 'insert' };
    case 'replace':
      return { kind: 'replace' };
    case 'upsert':
      return { kind: 'upsert', keys: keysIn(upsert, 'upsertSettings') };
    case 'applychanges':
      return {
        kind: 'changes',
        keys: keysIn(changes, 'changeSettings'),
        operationColumn: textSetting(changes, 'operationColumn') ?? OPERATION_COLUMN,
        ...(booleanSetting(changes, 'exact') === true ? { exact: true } : {}),
      };
    case 'storedprocedure':
      return { kind: 'storedProcedure' };
    default:
      throw new WaybillError(
        'DEFINITION_UNSUPPORTED',
        `Write behaviour "${named}" is not one of insert, upsert, replace, applyChanges and storedProcedure.`,
        { key: 'writeBehavior', writeBehavior: behavior },
      );
  }
};

/**
 * Reads a table sink's settings. `upsertSettings.useTempDB` is taken and says nothing here: rows are always staged in a
 * table that outlives a connection. Throws DEFINITION_INVALID and DEFINITION_UNSUPPORTED.
 */
export const tableSinkSettings = (settings: JsonObject): TableSinkSettings => ({
  preCopyScript: textSetting(settings, 'preCopyScript'),
  autoCreate:
    textSetting(settings, 'tableOption') === 'autoCreate' || booleanSetting(settings, 'autoCreate') === true,
  writeBehavior: writeBehavior(settings),
  stagingSchema: textSetting(objectSetting(settings, 'upsertSettings'), 'interimSchemaName'),
});

/** Throws DEFINITION_UNSUPPORTED for a store that has no procedures to hand rows to. */
export const refuseProcedure = ({ writeBehavior: { kind } }: TableSinkSettings, product: string): void => {
  if (kind !== 'storedProcedure') return;
  throw new WaybillError(
    'DEFINITION_UNSUPPORTED',
    `${product} sinks do not write through a stored procedure.`,
    { key: 'writeBehavior' },
  );
};
