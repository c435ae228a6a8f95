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
  /** Options that ask for less care than waybill takes, for the result's notes. */
  readonly notes: readonly string[];
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

/**
 * How ADF would load the files it staged. waybill loads files of its own, each once, and every error fails the copy: what
 * asks for less is taken, changes nothing and is told in a note. Microsoft's own examples have FORCE and SKIP_FILE.
 */
const LOAD: Readonly<Record<string, Rule>> = {
  ON_ERROR: (value) => /^(CONTINUE|SKIP_FILE(_\d+%?)?|ABORT_STATEMENT)$/i.test(value),
  // Staged files are always removed after the copy.
  PURGE: anything,
  FORCE: only('TRUE', 'FALSE'),
  TRUNCATECOLUMNS: only('TRUE', 'FALSE'),
  ENFORCE_LENGTH: only('TRUE', 'FALSE'),
  RETURN_FAILED_ONLY: only('TRUE', 'FALSE'),
  LOAD_UNCERTAIN_FILES: only('TRUE', 'FALSE'),
};

/** Values that are what waybill does anyway, and what it does in the place of others. */
const CARE: Readonly<Record<string, { readonly same: string; readonly instead: string }>> = {
  ON_ERROR: {
    same: 'ABORT_STATEMENT',
    instead: 'a row that does not load fails the copy; enableSkipIncompatibleRow sets such rows aside',
  },
  FORCE: { same: 'FALSE', instead: 'every staged file is loaded once' },
  TRUNCATECOLUMNS: { same: 'FALSE', instead: 'a text that is too long fails the copy' },
  ENFORCE_LENGTH: { same: 'TRUE', instead: 'a text that is too long fails the copy' },
};

const options = (settings: JsonObject, name: string, rules: Readonly<Record<string, Rule>>) => {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(objectSetting(settings, name))) {
    const option = key.toUpperCase();
    const text = String(value).replace(/^'(.*)'$/, '$1');
    const rule = rules[option];
    if (rule === undefined || !rule(text)) {
      throw new WaybillError(
        'DEFINITION_UNSUPPORTED',
        `${name}: ${option} = ${text.slice(0, 40)} is not supported with Snowflake.`,
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

/** Of a sink's importSettings. Throws DEFINITION_UNSUPPORTED for options there are none of here. */
export const loadOptions = (settings: JsonObject): LoadOptions => {
  const given = objectSetting(settings, 'importSettings');
  options(given, 'additionalFormatOptions', FORMAT);
  const notes = [...options(given, 'additionalCopyOptions', LOAD)].flatMap(([option, value]) => {
    const care = CARE[option];
    if (care === undefined || care.same === value.toUpperCase()) return [];
    return [`${option} = ${value.toUpperCase()} is passed over: ${care.instead}.`];
  });
  return { storageIntegration: textSetting(given, 'storageIntegration'), notes };
};
