// Script: blocks of SQL one after another in one session, and what they gave.
import { Context } from '@temporalio/activity';
import { objectSetting, textSetting } from '../../connectors/common/settings.ts';
import { openFileStore } from '../../connectors/file-stores.ts';
import type { SqlAnswer, SqlParameter } from '../../connectors/sql-commands.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject, JsonValue } from '../../core/json.ts';
import { isPureQuery } from '../../core/pipeline/query-kind.ts';
import { requiredLinkedService, type TaskInput, type TaskResult } from '../../core/pipeline/task.ts';
import { parseTimeSpan } from '../../core/pipeline/time-span.ts';
import { listedParameters } from './parameters.ts';
import { writeScriptLog } from './script-log.ts';
import { type Session, type SqlDependencies, withSession } from './session.ts';

/** Rows of a result that the output shows. */
const MAX_ROWS = 5_000;
/** Bytes of what one block adds to the output. */
const MAX_BYTES = 2 * 1_048_576;
/** ADF's default of scriptBlockExecutionTimeout, ms. */
const BLOCK_TIMEOUT = 2 * 3_600_000;

interface Block {
  readonly text: string;
  readonly query: boolean;
  readonly parameters: readonly SqlParameter[];
}

/** ADF's output of a Script activity, as it is put together. */
interface Output {
  readonly resultSets: JsonObject[];
  recordsAffected: number;
  readonly outputParameters: Map<string, JsonValue>;
  readonly logs: string[];
  truncated: boolean;
}

export async function script(dependencies: SqlDependencies, input: TaskInput): Promise<TaskResult> {
  const { typeProperties } = input;
  const blocks = await blocksOf(dependencies, typeProperties);
  const timeout =
    parseTimeSpan(textSetting(typeProperties, 'scriptBlockExecutionTimeout') ?? '') ?? BLOCK_TIMEOUT;
  const logs = typeProperties['logSettings'] !== undefined && typeProperties['logSettings'] !== null;
  const output: Output = {
    resultSets: [],
    recordsAffected: 0,
    outputParameters: new Map(),
    logs: [],
    truncated: false,
  };
  const request = { linkedService: requiredLinkedService(input), tag: input.attemptKey, patient: true };
  await withSession(dependencies, request, async (session) => {
    for (const [index, block] of blocks.entries()) {
      const answer = await runBlock(session, block, timeout, `block ${index + 1} of ${blocks.length}`);
      add(output, answer, block.query, logs);
    }
  });
  const location = await outputLogs(dependencies, input, output.logs);
  return {
    output: {
      resultSetCount: output.resultSets.length,
      recordsAffected: output.recordsAffected,
      resultSets: output.resultSets,
      outputParameters: Object.fromEntries(output.outputParameters),
      outputLogs: location === undefined ? output.logs.join('\n') : '',
      outputLogsLocation: location ?? '',
      outputTruncated: output.truncated,
    },
  };
}

/** The blocks of `scripts`, or the one that `scriptReference` names. Throws DEFINITION_INVALID where there is none. */
async function blocksOf(dependencies: SqlDependencies, properties: JsonObject): Promise<Block[]> {
  const { scripts } = properties;
  if (Array.isArray(scripts) && scripts.length > 0) {
    return scripts.map((entry, index) => {
      const block = typeof entry === 'object' && entry !== null && !Array.isArray(entry) ? entry : {};
      const { text } = block;
      if (typeof text !== 'string' || text.trim() === '')
        throw new WaybillError('DEFINITION_INVALID', `scripts[${index}] has no text.`);
      return {
        text,
        query: String(block['type'] ?? 'Query').toLowerCase() !== 'nonquery',
        parameters: listedParameters(block['parameters'], `scripts[${index}]`),
      };
    });
  }
  const reference = objectSetting(properties, 'scriptReference');
  const path = textSetting(reference, 'path');
  if (path === undefined)
    throw new WaybillError(
      'DEFINITION_INVALID',
      'The Script activity has neither "scripts" nor a "scriptReference".',
    );
  const parameters = listedParameters(reference['parameters'], 'scriptReference');
  return [{ text: await readScript(dependencies, reference, path), query: true, parameters }];
}

async function readScript(
  { resolveLinkedService }: SqlDependencies,
  reference: JsonObject,
  path: string,
): Promise<string> {
  const service = objectSetting(reference, 'linkedServiceName');
  const name = textSetting(service, 'referenceName');
  if (name === undefined)
    throw new WaybillError('DEFINITION_INVALID', '"scriptReference" names no linked service.');
  const connected = await resolveLinkedService(name, objectSetting(service, 'parameters'));
  const cut = path.replace(/\/+$/, '').lastIndexOf('/');
  const folderPath = path.slice(0, Math.max(cut, 0));
  const { store, folder } = await openFileStore(connected, folderPath, Context.current().cancellationSignal);
  try {
    const file = path.slice(cut + 1);
    const pieces: Buffer[] = [];
    for await (const piece of (await store.open(folder === '' ? file : `${folder}/${file}`)).stream())
      pieces.push(piece);
    return Buffer.concat(pieces)
      .toString('utf8')
      .replace(/^\uFEFF/, '');
  } finally {
    await store.close();
  }
}

async function runBlock(
  { commands, within }: Session,
  { text, query, parameters }: Block,
  timeout: number,
  place: string,
): Promise<SqlAnswer> {
  const limits = { maxRows: query ? MAX_ROWS : 0, stopEarly: query && isPureQuery(text) };
  try {
    return await within(timeout, `Script ${place}`, () => commands.run(text, parameters, limits));
  } catch (error) {
    if (!(error instanceof WaybillError)) throw error;
    throw new WaybillError(error.code, `Script ${place}: ${error.message}`, error.details, {
      cause: error,
      retryable: error.retryable,
    });
  }
}

/** Adds what a block gave; what would be too much goes in ADF's order: logs, then parameters, then rows. */
function add(output: Output, answer: SqlAnswer, query: boolean, logs: boolean): void {
  if (!query) output.recordsAffected += answer.recordsAffected;
  let left = MAX_BYTES;
  const take = (value: JsonValue): boolean => {
    const bytes = Buffer.byteLength(JSON.stringify(value));
    const fits = bytes <= left;
    if (fits) left -= bytes;
    else output.truncated = true;
    return fits;
  };
  for (const { rows, rowCount } of query ? answer.resultSets : []) {
    const shown: JsonObject[] = [];
    for (const row of rows) {
      if (!take(row)) break;
      shown.push(row);
    }
    if (shown.length < rowCount) output.truncated = true;
    output.resultSets.push({ rowCount, rows: shown });
  }
  for (const [name, value] of Object.entries(answer.outputParameters))
    if (take(value)) output.outputParameters.set(name, value);
  if (!logs) return;
  for (const message of answer.messages) {
    if (!take(message)) break;
    output.logs.push(message);
  }
}

/** Writes the logs where logSettings say so, and tells where; undefined where they belong into the output. */
async function outputLogs(
  dependencies: SqlDependencies,
  input: TaskInput,
  logs: readonly string[],
): Promise<string | undefined> {
  const settings = objectSetting(input.typeProperties, 'logSettings');
  const place = objectSetting(settings, 'logLocationSettings');
  const external = textSetting(settings, 'logDestination')?.toLowerCase() === 'externalstore';
  if (!external || textSetting(place, 'path') === undefined) return undefined;
  return writeScriptLog(dependencies, input, place, logs);
}
