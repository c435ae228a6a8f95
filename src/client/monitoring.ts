// The `monitoring` command: a lakehouse definition's alarms in CloudWatch, and what CloudWatch knows of what it names.
import { loadSettings, type Settings } from '../config/settings.ts';
import { WaybillError } from '../core/errors.ts';
import type { LakehousePlan } from '../core/lakehouse.ts';
import { findDefinition } from '../definitions/find.ts';
import { resolveLakehouse } from '../definitions/lakehouse/resolve.ts';
import { parseParameters } from './commands.ts';
import { formatTable } from './format.ts';

type Monitoring = NonNullable<LakehousePlan['monitoring']>;

/** CloudWatch as these commands need it; src/compute has it. */
export interface AlarmService {
  apply(request: {
    definition: string;
    monitoring: Monitoring;
    topics: readonly string[];
    cluster?: string;
  }): Promise<{ put: readonly string[]; deleted: readonly string[] }>;
  read(request: {
    monitoring: Monitoring;
    cluster?: string;
  }): Promise<readonly { of: string; metric: string; value?: number }[]>;
}

export interface MonitoringOptions {
  readonly param: string[];
  readonly window: string;
  readonly cluster?: string;
  readonly json?: boolean;
}

/** Puts the definition's alarms, tells its SNS topics in them, and removes those it no longer has. */
export async function applyMonitoringCommand(
  name: string,
  options: MonitoringOptions,
  service: () => Promise<AlarmService>,
): Promise<void> {
  const settings = loadSettings({ env: process.env, cwd: process.cwd() });
  const { definition, monitoring } = resolved(settings, name, options);
  const topics = monitoring.alerts.flatMap((alert) => {
    const channel = settings.alerts[alert];
    return channel?.type === 'sns' ? [channel.topicArn] : [];
  });
  const cluster = options.cluster === undefined ? {} : { cluster: options.cluster };
  const applied = await (await service()).apply({ definition, monitoring, topics, ...cluster });
  if (options.json === true) {
    console.log(JSON.stringify(applied, null, 2));
    return;
  }
  for (const alarm of applied.put) console.log(`put      ${alarm}`);
  for (const alarm of applied.deleted) console.log(`deleted  ${alarm}`);
  if (applied.put.length + applied.deleted.length === 0)
    console.log(`${definition} asks for no alarm: "alarms" in its "monitoring" does, or --cluster.`);
  if (topics.length === 0 && applied.put.length > 0)
    console.log('nobody is told by these alarms: none of its alerts is an SNS topic');
}

/** Prints the newest values that CloudWatch has. */
export async function showMonitoringCommand(
  name: string,
  options: MonitoringOptions,
  service: () => Promise<AlarmService>,
): Promise<void> {
  const settings = loadSettings({ env: process.env, cwd: process.cwd() });
  const { monitoring } = resolved(settings, name, options);
  const cluster = options.cluster === undefined ? {} : { cluster: options.cluster };
  const values = await (await service()).read({ monitoring, ...cluster });
  if (options.json === true) {
    console.log(JSON.stringify(values, null, 2));
    return;
  }
  const rows = values.map(({ of, metric, value }) => [of, metric, value === undefined ? '-' : String(value)]);
  if (rows.length === 0)
    console.log('nothing to look for: "alarms" in "monitoring" names buckets and streams');
  else for (const line of formatTable([['of', 'metric', 'newest'], ...rows], [2])) console.log(line);
}

function resolved(
  settings: Settings,
  name: string,
  { param, window }: MonitoringOptions,
): { definition: string; monitoring: Monitoring } {
  const { kind, name: definition } = findDefinition(settings, name);
  if (kind !== 'lakehouse')
    throw new WaybillError(
      'PARAMETER_INVALID',
      `${definition} is no lakehouse pipeline: it has no monitoring.`,
    );
  const { monitoring } = resolveLakehouse(settings.factoryDirectory, {
    name: definition,
    window,
    runId: `lakehouse/${definition}/${window}`,
    trigger: 'client',
    triggerTime: new Date().toISOString(),
    parameters: parseParameters(param),
  });
  if (monitoring === undefined)
    throw new WaybillError('PARAMETER_INVALID', `${definition} has no "monitoring" (docs/monitoring.md).`);
  return { definition, monitoring };
}
