// The report on a factory: every problem at once, and for each pipeline whether it can run.
import { type OverrideSettings, overridesFor } from '../core/linked-service.ts';
import { type CompiledFactory, type CompiledPipeline, compileFactory } from './compile-factory.ts';
import type { OverriddenKeys } from './compile-store.ts';
import { readFactory } from './factory.ts';
import type { Problem } from './problem.ts';

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
  const errors = [...resources].flatMap(({ problems }) =>
    problems.list.filter(({ severity }) => severity === 'error').sort(byPlace),
  );
  const verdict =
    errors.length === 0
      ? 'runnable'
      : errors.every(({ code }) => code === 'DEFINITION_UNSUPPORTED')
        ? 'unsupported'
        : 'invalid';
  return { name: pipeline.resource.name, verdict, reasons: errors.map(sentence) };
}

const collator = new Intl.Collator('en', { numeric: true });

/** By file, and in the order in which a reader meets the places: activity 2 before activity 10. */
const byPlace = (a: Problem, b: Problem): number =>
  collator.compare(a.file, b.file) || collator.compare(a.pointer, b.pointer);

/** One problem in one line, without its severity. */
export const sentence = (problem: Problem): string =>
  `${problem.file}${problem.pointer === '' ? '' : ` ${problem.pointer}`}: ${problem.code} ${problem.reason}${
    problem.advice === undefined ? '' : ` ${problem.advice}`
  }`;
