// A job run's Spark driver as the command that a step of EMR would have, and what its workers are charged for.
import type { Configuration } from '@aws-sdk/client-emr';
import type { ApplicationRecord, Classification, RunRecord, Utilization } from './state.ts';

/** What a worker has on EMR Serverless where a job does not say. */
const DEFAULTS = { cores: 4, memoryGb: 14, instances: 3, diskGb: 20 };
/** Part of a worker's memory that it gets on top, for what is not heap. */
const OVERHEAD = 0.1;
const LEAST_BILLED_SECONDS = 60;
const GB: Readonly<Record<string, number>> = { k: 1 / 1024 ** 2, m: 1 / 1024, g: 1, t: 1024 };

/** The arguments of spark-submit. */
export function sparkArguments({ view }: RunRecord): string[] {
  const { entryPoint, entryPointArguments = [], sparkSubmitParameters = '' } = view.jobDriver.sparkSubmit;
  return [
    ...(view.name === undefined ? [] : ['--name', view.name]),
    ...splitWords(sparkSubmitParameters),
    entryPoint,
    ...entryPointArguments,
  ];
}

/** Settings of the application below those of the run, as EMR's steps take them. */
export const configurationsOf = (application: ApplicationRecord, run: RunRecord): Configuration[] =>
  [
    ...(application.view.runtimeConfiguration ?? []),
    ...(run.view.configurationOverrides?.applicationConfiguration ?? []),
  ].map(asStep);

const asStep = ({ classification, properties = {}, configurations = [] }: Classification): Configuration => ({
  Classification: classification,
  Properties: properties,
  Configurations: configurations.map(asStep),
});

/** Words between blanks; quotes keep blanks in a word and are no part of it. */
export function splitWords(text: string): string[] {
  return [...text.matchAll(/(?:[^\s'"]+|'[^']*'|"[^"]*")+/g)].map(([word]) =>
    word.replace(/'([^']*)'|"([^"]*)"/g, (_, single?: string, double?: string) => single ?? double ?? ''),
  );
}

/**
 * What the driver and its executors would have used in that time: by the sizes that the settings ask for, since the
 * job really runs on one machine. Billed is a minute at least, and storage beyond 20 GB a worker.
 */
export function utilization(
  application: ApplicationRecord,
  run: RunRecord,
  seconds: number,
): { total: Utilization; billed: Utilization } {
  const settings = settingsOf(application, run);
  const number = (key: string, otherwise: number): number => Number(settings.get(key) ?? otherwise);
  const executors = number('spark.executor.instances', DEFAULTS.instances);
  const worker = (kind: 'driver' | 'executor') => ({
    vcpus: number(`spark.${kind}.cores`, DEFAULTS.cores),
    memory:
      gigabytes(settings.get(`spark.${kind}.memory`), DEFAULTS.memoryGb) * (1 + OVERHEAD) +
      (kind === 'executor' ? gigabytes(settings.get('spark.memory.offHeap.size'), 0) : 0),
    disk: gigabytes(settings.get(`spark.emr-serverless.${kind}.disk`), DEFAULTS.diskGb),
  });
  const workers = [worker('driver'), ...Array.from({ length: executors }, () => worker('executor'))];
  const of = (time: number, freeDisk: number): Utilization => {
    const hours = (size: (one: ReturnType<typeof worker>) => number): number =>
      Math.round(((workers.reduce((sum, one) => sum + size(one), 0) * time) / 3600) * 1e6) / 1e6;
    return {
      vCPUHour: hours(({ vcpus }) => vcpus),
      memoryGBHour: hours(({ memory }) => memory),
      storageGBHour: hours(({ disk }) => Math.max(0, disk - freeDisk)),
    };
  };
  const used = Math.ceil(seconds);
  return { total: of(used, 0), billed: of(Math.max(used, LEAST_BILLED_SECONDS), DEFAULTS.diskGb) };
}

function settingsOf(application: ApplicationRecord, run: RunRecord): Map<string, string> {
  const settings = new Map<string, string>();
  for (const { Classification: kind, Properties = {} } of configurationsOf(application, run))
    if (kind === 'spark-defaults')
      for (const [key, value] of Object.entries(Properties)) settings.set(key, value);
  const words = splitWords(run.view.jobDriver.sparkSubmit.sparkSubmitParameters ?? '');
  for (const [index, word] of words.entries()) {
    const [, key, value] = (word === '--conf' && /^([^=]+)=(.*)$/s.exec(words[index + 1] ?? '')) || [];
    if (key !== undefined && value !== undefined) settings.set(key, value);
  }
  return settings;
}

function gigabytes(size: string | undefined, otherwise: number): number {
  const match = /^(\d+)\s*([kmgt])b?$/i.exec(size?.trim() ?? '');
  return match ? Number(match[1]) * (GB[(match[2] ?? 'g').toLowerCase()] ?? 1) : otherwise;
}
