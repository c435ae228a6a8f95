// What of a pipeline's definition asks for encryption: policies that hide values, and secrets that stand in it.
import { isLiteralSecret } from '../expression/evaluate.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { opened, sealed } from './secure.ts';
import type { ActivitySnapshot, LoadedPipeline } from './snapshot.ts';

/** The first activity whose policy hides its input or output, at any depth. */
export function hidingActivity(activities: readonly ActivitySnapshot[]): ActivitySnapshot | undefined {
  for (const activity of activities) {
    if (activity.inactiveAs !== undefined) continue;
    if (activity.policy.secureInput || activity.policy.secureOutput) return activity;
    for (const block of Object.values(activity.blocks ?? {})) {
      const inner = hidingActivity(block);
      if (inner !== undefined) return inner;
    }
  }
  return undefined;
}

/** Whether a SecureString with its value stands in an activity, at any depth. */
export const holdsSecret = (activities: readonly ActivitySnapshot[]): boolean =>
  activities.some(
    ({ typeProperties, blocks }) =>
      hasLiteral(typeProperties) || Object.values(blocks ?? {}).some((block) => holdsSecret(block)),
  );

function hasLiteral(value: JsonValue): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(hasLiteral);
  return isLiteralSecret(value) || Object.values(value).some(hasLiteral);
}

/** The value with every SecureString shown as Data Factory shows it. */
export function masked(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(masked);
  if (isLiteralSecret(value)) return { ...value, value: '**********' };
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, masked(entry)]));
}

/** The pipeline on its way through history: sealed where a secret stands in it. */
export const sealedPipeline = (loaded: LoadedPipeline): LoadedPipeline =>
  holdsSecret(loaded.pipeline.activities)
    ? (sealed(loaded as unknown as JsonObject) as unknown as LoadedPipeline)
    : loaded;

export const openedPipeline = (loaded: LoadedPipeline): LoadedPipeline =>
  opened(loaded as unknown as JsonObject) as unknown as LoadedPipeline;
