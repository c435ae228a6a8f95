// Options of a copy that both the workflow and its activities read.
import { WaybillError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';

/** Chunks at once where a definition does not say: keeps two cores busy without crowding either store. */
const DEFAULT_PARALLEL_COPIES = 2;
/** ADF's default for a source with a partition option. */
const PARTITIONED_PARALLEL_COPIES = 4;

/** ADF's parallelCopies: as given, else 4 for a source that the definition partitions and 2 otherwise. */
export const parallelCopies = (options: JsonObject, source: JsonObject = {}): number => {
  const given = Number(options['parallelCopies'] ?? 0);
  if (Number.isInteger(given) && given > 0) return Math.min(given, 64);
  const partition = String(source['partitionOption'] ?? 'None');
  return partition === 'None' ? DEFAULT_PARALLEL_COPIES : PARTITIONED_PARALLEL_COPIES;
};

const isTrue = (value: JsonValue | undefined): boolean => String(value ?? 'false').toLowerCase() === 'true';

const asObject = (value: JsonValue | undefined): JsonObject | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;

/** Content verification is on unless the definition turns it off. */
export const verifiesContent = (options: JsonObject): boolean =>
  String(options['validateDataConsistency'] ?? 'true').toLowerCase() !== 'false';

/** Where the session log goes: a linked service and a path below its root. */
export interface SessionLogPlace {
  readonly linkedService: string;
  readonly linkedServiceParameters?: JsonObject;
  readonly path: string;
}

/** What happens to rows that do not fit: fail the copy, or are left out and, where the definition says where, logged. */
export interface IncompatibleRows {
  readonly skip: boolean;
  readonly log?: SessionLogPlace;
}

/** Reads enableSkipIncompatibleRow with logSettings, or the older redirectIncompatibleRowSettings and logStorageSettings. */
export const incompatibleRows = (options: JsonObject): IncompatibleRows => {
  if (!isTrue(options['enableSkipIncompatibleRow'])) return { skip: false };
  const log = logPlace(options);
  return { skip: true, ...(log === undefined ? {} : { log }) };
};

/** Where skipped rows and files are logged; undefined where nothing may be skipped that is logged. */
export const sessionLogPlace = (options: JsonObject): SessionLogPlace | undefined =>
  isTrue(options['enableSkipIncompatibleRow']) || asObject(options['skipErrorFile']) !== undefined
    ? logPlace(options)
    : undefined;

const logPlace = (options: JsonObject): SessionLogPlace | undefined => {
  const logSettings = asObject(options['logSettings']);
  const enabled = logSettings !== undefined && isTrue(logSettings['enableCopyActivityLog'] ?? true);
  const place =
    (enabled ? asObject(logSettings?.['logLocationSettings']) : undefined) ??
    asObject(options['redirectIncompatibleRowSettings']) ??
    asObject(options['logStorageSettings']);
  if (place === undefined) return undefined;
  const reference = place['linkedServiceName'];
  const name = typeof reference === 'string' ? reference : asObject(reference)?.['referenceName'];
  if (typeof name !== 'string' || name === '') {
    throw new WaybillError('DEFINITION_INVALID', 'The log settings of the copy name no linked service.');
  }
  const parameters = asObject(asObject(reference)?.['parameters']);
  return {
    linkedService: name,
    ...(parameters === undefined ? {} : { linkedServiceParameters: parameters }),
    path: String(place['path'] ?? ''),
  };
};
