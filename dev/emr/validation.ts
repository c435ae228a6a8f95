// Checks requests as the service does before it acts: shapes by the API's model, then the rules EMR documents.
import type {
  InstanceFleetConfig,
  InstanceGroupConfig,
  ManagedScalingPolicy,
  StepConfig,
} from '@aws-sdk/client-emr';
import type { z } from 'zod';
import { type ServiceError, serialization, validation } from './errors.ts';

/** Steps in one AddJobFlowSteps request, and pending or running steps of a cluster. */
const MOST_STEPS = 256;

/** The input as its schema types it, or an error in the service's words. */
export function parseInput<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  throw errorOf(result.error.issues, input);
}

/** Steps of RunJobFlow and AddJobFlowSteps, against what the cluster allows. */
export function checkSteps(steps: readonly StepConfig[], concurrency: number, active: number): void {
  if (steps.length > MOST_STEPS) {
    throw validation(
      `1 validation error detected: Value at 'steps' failed to satisfy constraint: ` +
        `Member must have length less than or equal to ${MOST_STEPS}`,
    );
  }
  if (steps.length + active > MOST_STEPS) {
    throw validation(
      "Maximum number of active steps(State = 'Running', 'Pending' or 'Cancel_Pending') for cluster exceeded.",
    );
  }
  const bad =
    concurrency > 1 && steps.find((step) => (step.ActionOnFailure ?? 'TERMINATE_CLUSTER') !== 'CONTINUE');
  if (bad) {
    throw validation(
      `Invalid ActionOnFailure ${bad.ActionOnFailure ?? 'TERMINATE_CLUSTER'} for step '${bad.Name}': ` +
        'a cluster with StepConcurrencyLevel greater than 1 takes only CONTINUE.',
    );
  }
}

export function checkConcurrency(level: number): void {
  if (!Number.isInteger(level) || level < 1 || level > 256) {
    throw validation('StepConcurrencyLevel must be between 1 and 256.');
  }
}

/** Exactly one of fleets and groups, with exactly one master in it. */
export function checkInstances(fleets?: InstanceFleetConfig[], groups?: InstanceGroupConfig[]): void {
  if (fleets?.length && groups?.length) {
    throw validation('Instance fleets and instance groups are mutually exclusive. Specify only one of them.');
  }
  const types = fleets?.length
    ? fleets.map((fleet) => fleet.InstanceFleetType)
    : (groups ?? []).map((group) => group.InstanceRole);
  if (types.filter((type) => type === 'MASTER').length !== 1) {
    throw validation(`A cluster needs exactly one MASTER instance ${fleets?.length ? 'fleet' : 'group'}.`);
  }
  if (types.filter((type) => type === 'CORE').length > 1)
    throw validation('A cluster has at most one CORE instance group or fleet.');
  fleets?.forEach(checkFleet);
}

export function checkFleet(fleet: InstanceFleetConfig): void {
  if ((fleet.TargetOnDemandCapacity ?? 0) + (fleet.TargetSpotCapacity ?? 0) < 1) {
    throw validation(
      `The instance fleet: ${fleet.Name ?? fleet.InstanceFleetType} must have a target capacity greater than 0.`,
    );
  }
  if (!fleet.InstanceTypeConfigs?.length) {
    throw validation(
      `The instance fleet: ${fleet.Name ?? fleet.InstanceFleetType} needs at least one instance type.`,
    );
  }
}

export function checkManagedScaling(policy: ManagedScalingPolicy | undefined, usesFleets: boolean): void {
  const limits = policy?.ComputeLimits;
  if (!limits) throw validation('ManagedScalingPolicy needs ComputeLimits.');
  if ((limits.UnitType === 'InstanceFleetUnits') !== usesFleets) {
    throw validation(
      usesFleets
        ? `UnitType ${limits.UnitType} is not valid for a cluster with instance fleets; use InstanceFleetUnits.`
        : 'UnitType InstanceFleetUnits is only valid for a cluster with instance fleets.',
    );
  }
  if ((limits.MinimumCapacityUnits ?? 0) > (limits.MaximumCapacityUnits ?? 0)) {
    throw validation('MinimumCapacityUnits must not be greater than MaximumCapacityUnits.');
  }
}

/** Seconds, one minute to seven days as the API reference states. */
export function checkIdleTimeout(seconds: number | undefined): number {
  if (seconds === undefined || seconds < 60 || seconds > 604_800) {
    throw validation('IdleTimeout must be between 60 and 604800 seconds.');
  }
  return seconds;
}

/** A wrong JSON type is a SerializationException; everything else is listed in one ValidationException. */
function errorOf(issues: readonly z.core.$ZodIssue[], input: unknown): ServiceError {
  const texts: string[] = [];
  for (const issue of issues) {
    const value = valueAt(input, issue.path);
    if (issue.code === 'invalid_type' && value !== undefined && value !== null) {
      return serialization(
        `${issue.expected} expected at '${memberPath(issue.path)}', found ${JSON.stringify(value)}`,
      );
    }
    const shown = value === undefined || value === null ? 'null' : `'${String(value)}'`;
    texts.push(
      `Value ${shown} at '${memberPath(issue.path)}' failed to satisfy constraint: ${constraint(issue, value)}`,
    );
  }
  const noun = texts.length === 1 ? 'error' : 'errors';
  return validation(`${texts.length} validation ${noun} detected: ${texts.join('; ')}`);
}

function constraint(issue: z.core.$ZodIssue, value: unknown): string {
  if (value === undefined || value === null) return 'Member must not be null';
  if (issue.code === 'invalid_value')
    return `Member must satisfy enum value set: [${issue.values.join(', ')}]`;
  if (issue.code === 'too_big') return `Member must have length less than or equal to ${issue.maximum}`;
  if (issue.code === 'too_small') return `Member must have length greater than or equal to ${issue.minimum}`;
  return issue.message;
}

/** Paths in AWS's way: lower camel case, list elements counted from 1. */
function memberPath(path: readonly PropertyKey[]): string {
  return path
    .map((part) =>
      typeof part === 'number'
        ? `${part + 1}.member`
        : String(part).replace(/^[A-Z]/, (c) => c.toLowerCase()),
    )
    .join('.');
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, part) => (value as Record<PropertyKey, unknown> | null | undefined)?.[part],
    input,
  );
}
