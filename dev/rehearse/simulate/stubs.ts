// What is outside any local world answers with what later expressions read: web calls, functions, notebooks.
import type { JsonObject } from '../../../src/core/json.ts';
import type { ActivitySnapshot } from '../../../src/core/pipeline/snapshot.ts';
import type { Shape } from '../infer/shape.ts';
import { valueFor } from '../infer/values.ts';
import type { Frame } from './frame.ts';

/** Properties that the runtime adds to an answer by itself. */
const OWN = new Set([
  'adfwebactivityresponseheaders',
  'effectiveintegrationruntime',
  'executionduration',
  'durationinqueue',
  'billingreference',
  'runpageurl',
]);

/** The answer to one activity's call, from what is read of it anywhere. */
export function answerFor(output: Shape | undefined, seed: number): JsonObject {
  const answer: JsonObject = {};
  for (const [key, property] of output?.properties ?? [])
    if (!OWN.has(key)) answer[property.name] = valueFor(property, property.name, { seed, index: 0 });
  return answer;
}

/** The key under which an activity's answer is kept. */
export const stubKey = (pipeline: string, activity: string): string =>
  `${pipeline}/${activity}`.toLowerCase();

/** Notes the answer, and gives what the activity's output will be. */
export function stubOf(frame: Frame, activity: ActivitySnapshot): JsonObject {
  const output = frame.shapes.activities.get(activity.name.toLowerCase())?.property('output');
  const response = answerFor(output, frame.stage.seed);
  frame.needs.stubs.set(stubKey(frame.pipeline.resource.name, activity.name), {
    activity: activity.name,
    response,
  });
  return { ...response, ADFWebActivityResponseHeaders: {}, executionDuration: 0 };
}
