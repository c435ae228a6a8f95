// POST /callbacks/<token>: brings what a WebHook activity waits for to the run that waits.
import { WorkflowNotFoundError } from '@temporalio/client';
import { readCallbackToken } from '../activities/web/callback-token.ts';
import type { JsonValue } from '../core/json.ts';
import { sealed } from '../core/pipeline/secure.ts';
import { CALLBACK_SIGNAL, type WebHookCallback } from '../core/pipeline/web-hook.ts';
import { type Door, withDeadline } from './door.ts';
import { Refusal } from './refusal.ts';
import { type Answer, type DoorRequest, parseJson, requireType } from './request.ts';
import { MAX_BODY } from './start-run.ts';

/** The first call counts; later ones are answered alike, and so is one that comes after the run has ended. */
export async function callbackHandler(door: Door, request: DoorRequest): Promise<Answer> {
  const target = readCallbackToken(door.keys.signing, request.path['token'] ?? '');
  if (target === undefined) throw new Refusal(404, 'OBJECT_MISSING', 'Nothing waits at this address.');
  const bytes = await request.body(MAX_BODY);
  if (bytes.length > 0) requireType(request, ['application/json']);
  const posted: JsonValue = bytes.length === 0 ? null : parseJson(bytes);
  const callback: WebHookCallback = {
    attemptKey: target.attemptKey,
    body: target.secure ? sealed(posted) : posted,
  };
  return withDeadline(door, async () => {
    try {
      await door.client.workflow.getHandle(target.workflowId).signal(CALLBACK_SIGNAL, callback);
      return { status: 200, json: { status: 'received' } };
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      return {
        status: 200,
        json: { status: 'ended', message: 'The run has ended: nothing waits for this.' },
      };
    }
  });
}
