// importSettings and exportSettings: which of COPY INTO's options a definition may set.
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { objectSetting, textSetting } from '../common/settings.ts';

/** Bytes of one unloaded file at most, where the definition does not say. */
const FILE_BYTES = 64 * 1024 * 1024;
const MOST_FILE_BYTES = 5 * 1024 ** 3;

export interface UnloadOptions {
  readonly maxFileSize: number;
  readonly storageIntegration: string | undefined;
}

export interface LoadOptions {
  readonly storageIntegration: string | undefined;
}

type Rule = (value: string) => boolean;

const anything: Rule = () => true;
const only =
  (...values: string[]): Rule =>
  (value) =>
    values.includes(value.toUpperCase());

/**
 * Options of the staged files' inner form: they say how ADF's files would be written. waybill's hold each value in one
 * exact form that Snowflake reads and writes alike, so they change nothing.
 */
const FORMAT: Readonly<Record<string, Rule>> = {
  DATE_FORMAT: anything,
  TIME_FORMAT: anything,
  TIMESTAMP_FORMAT: anything,
  BINARY_FORMAT: anything,
  COMPRESSION: anything,
  FIELD_DELIMITER: anything,
  RECORD_DELIMITER: anything,
  ENCODING: only('UTF8', 'UTF-8'),
};

const UNLOAD: Readonly<Record<string, Rule>> = {
  MAX_FILE_SIZE: (value) => /^\d+$/.test(value) && Number(value) > 0 && Number(value) <= MOST_FILE_BYTES,
  // Every unload goes to a folder of its own, so there is nothing to overwrite.
  OVERWRITE: anything,
  SINGLE: only('FALSE'),
  HEADER: only('FALSE'),
  INCLUDE_QUERY_ID: only('FALSE'),
};

const LOAD: Readonly<Record<string, Rule>> = {
  ON_ERROR: only('ABORT_STATEMENT'),
  // Staged files are always removed after the copy.
  PURGE: anything,
  FORCE: only('FALSE'),
  TRUNCATECOLUMNS: only('FALSE'),
  ENFORCE_LENGTH: only('TRUE'),
  RETURN_FAILED_ONLY: only('FALSE'),
  LOAD_UNCERTAIN_FILES: only('FALSE'),
};

const WHY: Readonly<Record<string, string>> = {
  ON_ERROR:
    'a load that leaves out rows would not be verified; waybill sets rows aside before it with enableSkipIncompatibleRow',
  FORCE: 'every file is loaded just once, and loading it again would duplicate its rows',
  TRUNCATECOLUMNS: 'cut values would not be those of the source',
};

const options = (settings: JsonObject, name: string, rules: Readonly<Record<string, Rule>>) => {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(objectSetting(settings, name))) {
    const option = key.toUpperCase();
    const text = String(value).replace(/^'(.*)'$/, '$1');
    const rule = rules[option];
    if (rule === undefined || !rule(text)) {
      const why = WHY[option] === undefined ? '' : `: ${WHY[option]}`;
      throw new WaybillError(
        'DEFINITION_UNSUPPORTED',
        `${name}: ${option} = ${text.slice(0, 40)} is not supported with Snowflake${why}.`,
        { key: `${name}.${option}` },
      );
    }
    found.set(option, text);
  }
  return found;
};

/** Of a source's exportSettings. Throws DEFINITION_UNSUPPORTED for options that could change what is read. */
export const unloadOptions = (settings: JsonObject): UnloadOptions => {
  const given = objectSetting(settings, 'exportSettings');
  options(given, 'additionalFormatOptions', FORMAT);
  const size = options(given, 'additionalCopyOptions', UNLOAD).get('MAX_FILE_SIZE');
  return {
    maxFileSize: size === undefined ? FILE_BYTES : Number(size),
    storageIntegration: textSetting(given, 'storageIntegration'),
  };
};

/** Of a sink's importSettings. Throws DEFINITION_UNSUPPORTED for options that could lose or repeat rows. */
export const loadOptions = (settings: JsonObject): LoadOptions => {
  const given = objectSetting(settings, 'importSettings');
  options(given, 'additionalFormatOptions', FORMAT);
  options(given, 'additionalCopyOptions', LOAD);
  return { storageIntegration: textSetting(given, 'storageIntegration') };
};
