// The report on a factory: every problem at once, and for each pipeline whether it can run.
import type { JsonValue } from '../core/json.ts';
import { type OverrideSettings, overridesFor } from '../core/linked-service.ts';
import { type CompiledFactory, type CompiledPipeline, compileFactory } from './compile-factory.ts';
import type { OverriddenKeys } from './compile-store.ts';
import { type Coverage, coverageOf } from './coverage.ts';
import { readFactory } from './factory.ts';
import type { Problem } from './problem.ts';
import { isObject, type Resource } from './resource.ts';

export interface PipelineVerdict {
  readonly name: string;
  /** `unsupported`: sound, but it needs what waybill does not have. `invalid`: Data Factory would not run it either. */
  readonly verdict: 'runnable' | 'unsupported' | 'invalid';
  /** One sentence each, with file and pointer. */
  readonly reasons: string[];
}

export interface Report {
  /** Number of resources read. */
  readonly resources: number;
  readonly pipelines: PipelineVerdict[];
  readonly errors: Problem[];
  readonly warnings: Problem[];
}

/** The part of Settings that validation looks at. */
export type ValidationSettings = OverrideSettings;

/** Which properties of a linked service the settings replace. */
export const overriddenKeys =
  (settings: ValidationSettings): OverriddenKeys =>
  (name, type) =>
    Object.keys(overridesFor(settings, { name, type }).overrides);

/** The report together with what the factory uses. Throws only OBJECT_MISSING, where there is no directory. */
export function examineFactory(
  directory: string,
  settings: ValidationSettings,
): { report: Report; coverage: Coverage } {
  const compiled = compileFactory(readFactory(directory), overriddenKeys(settings));
  return { report: reportOn(compiled), coverage: coverageOf(compiled) };
}

/** Reads and checks every resource below the directory. Throws only OBJECT_MISSING, where there is no directory. */
export function validateFactory(directory: string, settings: ValidationSettings): Report {
  return reportOn(compileFactory(readFactory(directory), overriddenKeys(settings)));
}

export function reportOn(compiled: CompiledFactory): Report {
  const { factory } = compiled;
  const problems = [...factory.resources.map(({ problems }) => problems), ...factory.unreadable]
    .flatMap(({ list }) => list)
    .sort(byPlace);
  return {
    resources: factory.resources.length + factory.unreadable.length,
    pipelines: [
      ...compiled.pipelines.map(verdictOn),
      // A pipeline's file that cannot be read is still a pipeline that cannot run.
      ...factory.unreadable
        .filter(({ list }) => /(^|\/)pipeline\/[^/]+$/i.test(list[0]?.file ?? ''))
        .map(({ list }) => ({
          name: (list[0]?.file.split('/').at(-1) ?? '').replace(/\.json$/i, ''),
          verdict: 'invalid' as const,
          reasons: list.filter(({ severity }) => severity === 'error').map(sentence),
        })),
    ],
    errors: problems.filter(({ severity }) => severity === 'error'),
    warnings: problems.filter(({ severity }) => severity === 'warning'),
  };
}

/** The verdict on one pipeline with everything it needs. */
export function verdictOn(pipeline: CompiledPipeline): PipelineVerdict {
  const resources = new Set([pipeline.resource, ...pipeline.needs]);
  const found = [...resources].flatMap((resource) =>
    resource.problems.list
      .filter(({ severity }) => severity === 'error')
      .sort(byPlace)
      .map((problem) => ({ problem, resource })),
  );
  const errors = found.map(({ problem }) => problem);
  const verdict =
    errors.length === 0
      ? 'runnable'
      : errors.every(({ code }) => code === 'DEFINITION_UNSUPPORTED')
        ? 'unsupported'
        : 'invalid';
  const reasons = found.map(({ problem, resource }) => labelled(problem, activityAt(resource, problem)));
  return { name: pipeline.resource.name, verdict, reasons };
}

const collator = new Intl.Collator('en', { numeric: true });

/** By file, and in the order in which a reader meets the places: activity 2 before activity 10. */
const byPlace = (a: Problem, b: Problem): number =>
  collator.compare(a.file, b.file) || collator.compare(a.pointer, b.pointer);

/** One problem in one line, without its severity. */
export const sentence = (problem: Problem): string => labelled(problem, '');

const labelled = (problem: Problem, activity: string): string =>
  `${problem.file}${problem.pointer === '' ? '' : ` ${problem.pointer}`}: ${problem.code} ${activity}${problem.reason}${
    problem.advice === undefined ? '' : ` ${problem.advice}`
  }`;

/** The innermost activity at the problem's place, as 'Copy "load": '; "" where there is none or the reason names it. */
function activityAt(resource: Resource, problem: Problem): string {
  if (resource.kind !== 'pipeline') return '';
  const segments = problem.pointer.split('/').slice(1 + resource.path.length);
  let value: JsonValue | undefined = resource.properties;
  let name = '';
  let label = '';
  for (const segment of segments) {
    const key = segment.replaceAll('~1', '/').replaceAll('~0', '~');
    const inside: JsonValue | undefined = Array.isArray(value)
      ? value[Number(key)]
      : isObject(value)
        ? value[key]
        : undefined;
    if (
      Array.isArray(value) &&
      isObject(inside) &&
      typeof inside['name'] === 'string' &&
      inside['type'] !== undefined
    ) {
      name = inside['name'];
      label = `${String(inside['type'])} "${name}": `;
    }
    value = inside;
  }
  return name !== '' && problem.reason.includes(`"${name}"`) ? '' : label;
}
