// The activity that waits for data: each look is a Temporal activity, the waiting between them is the workflow's own.
import { sleep } from '@temporalio/workflow';
import type { JsonObject } from '../core/json.ts';
import { opened } from '../core/pipeline/secure.ts';
import { untilNextLook, VALID, validationTimeout } from '../core/pipeline/validation.ts';
import { ActivityEndedError } from './pipeline-failure.ts';
import { type FollowUp, taskActivity } from './pipeline-tasks.ts';

const untilValid: FollowUp = async ({ input, output, again }) => {
  const began = Date.now();
  const properties = opened(input.typeProperties) as JsonObject;
  let look = output;
  while (look[VALID] !== true) {
    const pause = untilNextLook(properties, Date.now() - began);
    if (pause === 0)
      throw new ActivityEndedError(
        'ACTIVITY_TIMEOUT',
        `What "${input.activity}" waits for was not there within the ${Math.round(validationTimeout(properties) / 1000)} s of its timeout.`,
      );
    await sleep(pause, { summary: `${input.activity}: until the next look` });
    look = await again('Validation', input);
  }
  const { [VALID]: _, ...rest } = look;
  return rest;
};

export const validationActivity = taskActivity('Validation', {
  repeatable: true,
  followUp: untilValid,
  ownLimit: true,
});
