// A Script activity's messages as a text file where its logSettings say. A log that cannot be written fails nothing.
import { createHash } from 'node:crypto';
import { Context, log } from '@temporalio/activity';
import { redact } from '../../config/redaction.ts';
import { objectSetting, textSetting } from '../../connectors/common/settings.ts';
import { openFileStore } from '../../connectors/file-stores.ts';
import type { JsonObject } from '../../core/json.ts';
import type { TaskInput } from '../../core/pipeline/task.ts';
import type { SqlDependencies } from './session.ts';

/** Writes the messages, one a line, and gives the file's path; "" where that failed. A repeated attempt writes it anew. */
export async function writeScriptLog(
  { resolveLinkedService }: SqlDependencies,
  input: TaskInput,
  place: JsonObject,
  messages: readonly string[],
): Promise<string> {
  const service = objectSetting(place, 'linkedServiceName');
  const path = textSetting(place, 'path') ?? '';
  const attempt = createHash('sha256').update(input.attemptKey).digest('hex').slice(0, 32);
  const name = `scriptactivity-logs/${safe(input.activity)}/${attempt}.txt`;
  try {
    const connected = await resolveLinkedService(
      textSetting(service, 'referenceName') ?? '',
      objectSetting(service, 'parameters'),
    );
    const { store, folder } = await openFileStore(connected, path, Context.current().cancellationSignal);
    try {
      const text = messages.map((message) => `${message}\n`).join('');
      await store.write(folder === '' ? name : `${folder}/${name}`, one(text), {
        contentType: 'text/plain; charset=utf-8',
        verify: false,
      });
    } finally {
      await store.close();
    }
    return `${path.replace(/\/+$/, '')}/${name}`;
  } catch (error) {
    Context.current().cancellationSignal.throwIfAborted();
    log.warn('the script log could not be written', { reason: redact(String(error)) });
    return '';
  }
}

async function* one(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

const safe = (name: string): string => name.replace(/[\\/:*?"<>|]/g, '_');
