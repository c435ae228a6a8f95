// Asks for work: the `waybill` command. Starts runs, watches them, lists them, checks definitions.
import { Command, Option } from 'commander';
import { resumeBudgetCommand } from './client/budget.ts';
import { listCommand, runCommand, statusCommand, watchCommand } from './client/commands.ts';
import { type CostOptions, costCommand } from './client/cost.ts';
import { type DbtOptions, dbtCommand } from './client/dbt.ts';
import { evalCommand } from './client/eval.ts';
import { explainFailure, renderFailure } from './client/failure.ts';
import {
  approveCommand,
  declineCommand,
  migrateCommand,
  migrationStatusCommand,
  migrationWindowCommand,
  resumeCommand,
} from './client/migrate.ts';
import {
  applyMonitoringCommand,
  type MonitoringOptions,
  showMonitoringCommand,
} from './client/monitoring.ts';
import { planCommand } from './client/plan.ts';
import { cancelCommand, rerunCommand, runsCommand, showRunCommand } from './client/run-commands.ts';
import { scheduleCommand } from './client/schedule.ts';
import { schemasCommand } from './client/schemas.ts';
import { secretsCheckCommand } from './client/secrets.ts';
import { sizeCommand } from './client/size.ts';
import { changeStreamCommand, startStreamCommand, streamStatusCommand } from './client/streams.ts';
import { sweepCommand } from './client/sweep.ts';
import {
  applyTriggersCommand,
  changeWindowsCommand,
  fireTriggerCommand,
  listTriggersCommand,
  setTriggersStartedCommand,
  triggerRunsCommand,
  windowsCommand,
} from './client/triggers.ts';
import { validateCommand } from './client/validate.ts';
import { WaybillError } from './core/errors.ts';

const program = new Command('waybill')
  .description('Data pipelines as durable Temporal workflows.')
  .showHelpAfterError('(waybill --help shows every command)')
  .addHelpText(
    'after',
    `
A first day with waybill:
  waybill dev up --seed                       start the local world (Temporal, databases, S3, EMR) with data
  waybill dev worker                          run a worker in it, in another terminal
  waybill validate factory                    check every definition before anything runs
  waybill --local plan pl_sqlserver_to_snowflake --param 'tables=["planes"]'
                                              what its copies would do, column by column
  waybill --local run pl_sqlserver_to_snowflake --param 'tables=["planes"]'
  waybill --local list                        what ran, newest first
  waybill --local status pipeline/pl_sqlserver_to_snowflake/2026-11-22

--local means the local world; without it a command goes where the environment says.

A run's id is pipeline/<name>/<key> or lakehouse/<name>/<window>. The same key is the same run: asking twice
starts it once, and a run that failed may be asked for again.
Settings: waybill.toml (or WAYBILL_CONFIG); Temporal: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE or a TOML profile.`,
  );

const collect = (value: string, previous: string[]): string[] => [...previous, value];
const json = (): Option => new Option('--json', 'print the result as JSON on stdout, progress on stderr');

program
  .command('run')
  .argument('<name>', 'a pipeline or lakehouse pipeline of the factory; or "show"')
  .argument('[id]', 'after "show": a workflow id or a run id')
  .description(
    'start a pipeline or lakehouse pipeline and watch it to its end; run show <id>: one run, every activity',
  )
  .option('-p, --param <name=value>', 'a parameter; the value is JSON where it parses as JSON', collect, [])
  .option('-k, --key <key>', "the run's logical key, or a lakehouse window (default: today, UTC)")
  .option('--no-watch', 'start it and return')
  .addOption(json())
  .action((name: string, id: string | undefined, options: Parameters<typeof runCommand>[1]) => {
    if (id === undefined) return runCommand(name, options);
    if (name === 'show') return showRunCommand(id, options);
    throw new WaybillError('PARAMETER_INVALID', `run takes one name, not "${name}" and "${id}".`);
  });

const runs = program
  .command('runs')
  .description("runs of pipelines as Data Factory's records, newest first")
  .option('--pipeline <name>', 'only runs of this pipeline')
  .option('--status <status>', 'Queued, InProgress, Succeeded, Failed or Cancelled')
  .option(
    '--since <age>',
    'only runs that began since: 90s, 30m, 24h, 7d ago, or a moment as 2026-11-22T10:00Z',
  )
  .option('-n, --limit <count>', 'at most so many', '50')
  .addOption(json())
  .action(runsCommand);

runs
  .command('show')
  .argument('<id>', 'workflow id or run id')
  .description('one run and each activity of it, with inputs, outputs and errors')
  .addOption(json())
  .action((id: string, _: unknown, command: Command) => showRunCommand(id, command.optsWithGlobals()));

program
  .command('rerun')
  .argument('<id>', 'workflow id (its newest run is repeated) or run id')
  .description('run a pipeline again with the same parameters; what is reused is not done twice')
  .option('--from-failed', 'only what did not succeed, and what depends on it')
  .option('--from <activity>', 'this activity, what did not succeed, and what depends on either')
  .option('--no-watch', 'start it and return')
  .addOption(json())
  .action(rerunCommand);

program
  .command('plan')
  .argument('<pipeline>', 'a pipeline of the factory')
  .description(
    'what its copies would do: chunks, write behaviour, columns and types; moves no row, changes nothing',
  )
  .option('-p, --param <name=value>', 'a parameter, as for run', collect, [])
  .addOption(json())
  .action(planCommand);

program
  .command('watch')
  .argument('<id>', 'workflow id')
  .description('watch a run that is going on')
  .addOption(json())
  .action(watchCommand);

program
  .command('status')
  .argument('<id>', 'workflow id')
  .description('one look at a run: activities, copies, stages, checks')
  .addOption(json())
  .action(statusCommand);

program
  .command('list')
  .description('runs, newest first')
  .option('--pipeline <name>', 'only this pipeline or lakehouse pipeline')
  .option('--running', 'only those still running')
  .option('-n, --limit <count>', 'at most so many', '20')
  .addOption(json())
  .action(listCommand);

program
  .command('cancel')
  .argument('<id>', 'workflow id')
  .description('cancel a run: copies clean up, clusters end, pipelines it started end too')
  .option('--no-recursive', 'leave pipelines alone that it started without waiting for them')
  .action(cancelCommand);

program
  .command('budget')
  .description('budgets of lakehouse runs')
  .command('resume')
  .argument('<id>', 'workflow id of a run that its budget has paused')
  .requiredOption('--amount <number>', 'the new budget of the whole run, above what it has cost')
  .description('let it go on')
  .action(resumeBudgetCommand);

program
  .command('cost')
  .description('what runs cost by their price table (--by run), or what AWS bills (--by service or tag)')
  .option('--by <what>', 'run, service or tag', 'run')
  .option('--tag <name>', 'with --by tag: which one', 'project')
  .option('--from <day>', 'first day, UTC (default: 29 days ago)')
  .option('--to <day>', 'the day after the last one (default: tomorrow)')
  .option('--granularity <step>', 'daily or monthly', 'daily')
  .option('--service <name>', 'only this service, as AWS spells it; again for more', collect, [])
  .addOption(json())
  .action((options: CostOptions) =>
    costCommand(options, async () => (await import('./compute/cost-explorer/billed-costs.ts')).createBill()),
  );

const monitoring = program
  .command('monitoring')
  .description("CloudWatch's part in watching a lakehouse pipeline");
/** The client of CloudWatch is loaded when it is needed. */
const alarmService = async () => {
  const [{ CloudWatchAlarms }, { createCloudWatchClient }] = await Promise.all([
    import('./compute/cloudwatch/alarm-service.ts'),
    import('./compute/cloudwatch/metrics.ts'),
  ]);
  return new CloudWatchAlarms(createCloudWatchClient());
};
for (const verb of ['apply', 'show'] as const)
  monitoring
    .command(verb)
    .argument('<definition>', 'a lakehouse pipeline of the factory')
    .description(
      verb === 'apply'
        ? 'put its alarms, and remove those it no longer has; alarms of others are not touched'
        : 'the newest values of the metrics that it names',
    )
    .option('-p, --param <name=value>', 'a parameter, as for run', collect, [])
    .option('--window <window>', 'what @pipeline().parameters.window is', 'monitoring')
    .option('--cluster <id>', 'an EMR cluster that runs: its idleness and HDFS too')
    .addOption(json())
    .action((name: string, options: MonitoringOptions) =>
      (verb === 'apply' ? applyMonitoringCommand : showMonitoringCommand)(name, options, alarmService),
    );

program
  .command('schedule')
  .argument('<verb>', 'create, trigger, pause, unpause, delete or show')
  .argument('<name>', 'a lakehouse pipeline of the factory')
  .description('a Temporal Schedule for a lakehouse pipeline')
  .option('--cron <expression>', 'when to run, UTC', '0 3 * * *')
  .option('--window <window>', "the run's window (default: the scheduled time)")
  .action(scheduleCommand);

const migrate = program
  .command('migrate')
  .argument('<definition>', 'a JSON file that says what moves from EMR to Databricks, and how')
  .description('move a lakehouse pipeline: replicate, run both sides, compare, decide, cut over, watch')
  .option('--no-watch', 'start it and return')
  .addOption(json())
  .action(migrateCommand);
migrate
  .command('status')
  .argument('<name>', "the migration's name")
  .description('each dataset: its phase, what differs, what is decided')
  .addOption(json())
  .action((name: string, _: unknown, command: Command) =>
    migrationStatusCommand(name, command.optsWithGlobals()),
  );
const by = (): Option => new Option('--by <who>', 'who decides (default: your user name)');
migrate
  .command('approve')
  .argument('<name>')
  .argument('<datasets...>')
  .description('cut datasets over to Databricks')
  .option('--comment <text>')
  .option('--force', 'also where the sides differ')
  .addOption(by())
  .addOption(json())
  .action((name: string, datasets: string[], _: unknown, command: Command) =>
    approveCommand(name, datasets, command.optsWithGlobals()),
  );
for (const [verb, message, what] of [
  ['reject', 'reject', 'leave datasets on EMR'],
  ['rollback', 'rollBack', 'take datasets that were cut over back to EMR'],
] as const)
  migrate
    .command(verb)
    .argument('<name>')
    .argument('<datasets...>')
    .description(what)
    .requiredOption('--reason <text>')
    .addOption(by())
    .addOption(json())
    .action((name: string, datasets: string[], _: unknown, command: Command) =>
      declineCommand(name, datasets, message, command.optsWithGlobals()),
    );
for (const [verb, message, what] of [
  ['window', 'addWindow', 'run and compare one more window'],
  ['compare', 'compare', 'compare a window again'],
] as const)
  migrate
    .command(verb)
    .argument('<name>')
    .argument('<window>')
    .description(what)
    .addOption(json())
    .action((name: string, window: string, _: unknown, command: Command) =>
      migrationWindowCommand(name, window, message, command.optsWithGlobals()),
    );
migrate
  .command('resume')
  .argument('<name>')
  .description('try again the step that failed')
  .addOption(json())
  .action((name: string, _: unknown, command: Command) => resumeCommand(name, command.optsWithGlobals()));

const triggers = program.command('triggers').description("the factory's triggers, as Temporal keeps them");
triggers
  .command('apply')
  .argument('[names...]', 'only these triggers')
  .description("bring the factory's triggers to Temporal: new ones as their runtimeState says, states stay")
  .option('--prune', 'remove triggers that the factory does not have')
  .option('--dry-run', 'only say what would change')
  .addOption(json())
  .action(applyTriggersCommand);
for (const verb of ['start', 'stop'] as const)
  triggers
    .command(verb)
    .argument('[names...]')
    .description(verb === 'start' ? 'let triggers fire' : 'let triggers fire no more; what runs goes on')
    .option('--all', 'every trigger')
    .addOption(json())
    .action((names: string[], options: { all?: boolean; json?: boolean }) =>
      setTriggersStartedCommand(names, verb === 'start', options),
    );
triggers
  .command('list')
  .description('triggers with their state and when they fire next')
  .addOption(json())
  .action(listTriggersCommand);
triggers
  .command('runs')
  .argument('[name]', 'only this trigger')
  .description('its firings, newest first: what each started, or why it could not')
  .option('--since <age>', 'those since then: 24h, 7d, or a moment')
  .option('-n, --limit <count>', 'at most so many', '20')
  .addOption(json())
  .action(triggerRunsCommand);
triggers
  .command('fire')
  .argument('<name>')
  .description("start a trigger's pipelines now")
  .option('--key <key>', 'the same key fires once')
  .option('--body <json>', 'what @triggerBody() shows')
  .addOption(json())
  .action(fireTriggerCommand);
triggers
  .command('windows')
  .argument('<name>', 'a tumbling window trigger')
  .description('its windows: those at work, waiting and ended lately')
  .addOption(json())
  .action(windowsCommand);
for (const verb of ['rerun', 'cancel'] as const)
  triggers
    .command(verb)
    .argument('<name>', 'a tumbling window trigger')
    .description(
      verb === 'rerun' ? 'have windows run again that have ended' : 'cancel windows that have not ended',
    )
    .requiredOption('--from <time>', 'start of the first window')
    .option('--to <time>', 'windows that begin before it (default: only the one that begins at --from)')
    .addOption(json())
    .action((name: string, options: { from: string; to?: string; json?: boolean }) =>
      changeWindowsCommand(verb, name, options),
    );

const stream = program
  .command('stream')
  .description("the factory's streams: streaming jobs that are kept running");
stream
  .command('start')
  .argument('<name>', 'a stream of the factory')
  .description('start its job and keep it running; one that runs is left alone')
  .option('-p, --param <name=value>', 'a parameter, as for run', collect, [])
  .addOption(json())
  .action(startStreamCommand);
stream
  .command('status')
  .argument('<name>')
  .description('how far it is; exit code 0 when it runs and keeps up, 1 when it does not')
  .addOption(json())
  .action(streamStatusCommand);
for (const verb of ['drain', 'stop'] as const)
  stream
    .command(verb)
    .argument('<name>')
    .description(
      verb === 'drain'
        ? 'end the job after its batch and start it on the code and definition as they are now'
        : 'end the job after its batch, and its cluster',
    )
    .addOption(json())
    .action((name: string, options: { json?: boolean }) => changeStreamCommand(verb, name, options));

program
  .command('sweep')
  .description('remove staging and ledger entries of copies that ended without cleaning up')
  .option('--older-than <age>', 'only copies that ended at least so long ago: 90s, 30m, 24h, 7d', '24h')
  .addOption(json())
  .action(sweepCommand);

program
  .command('validate')
  .argument('[directory]', "the factory's directory (default: from waybill.toml)")
  .description('check every definition: all errors and warnings at once, with file, JSON pointer and advice')
  .addOption(json())
  .action(validateCommand);

program
  .command('eval')
  .argument('<expression>', "an expression as definitions have it: '@concat(...)', or a text with '@{...}'")
  .description('the value of an expression, as JSON')
  .option(
    '--context <file>',
    'JSON with what it sees: pipeline, variables, activity, item, dataset, linkedService, trigger',
  )
  .action(evalCommand);

program
  .command('size')
  .description('Spark settings and an EMR cluster for an amount of data, and why; starts nothing')
  .requiredOption('--input <size>', 'what one run reads: 10TB, 500GiB')
  .option('--skew <factor>', 'the largest partition over the median one', '1')
  .addOption(json())
  .action(sizeCommand);

program
  .command('schemas')
  .argument('<directory>', 'where to write them')
  .description(
    'write JSON Schemas of pipelines, datasets, linked services and lakehouse pipelines, for editors',
  )
  .action(schemasCommand);

program
  .command('dbt')
  .argument(
    '<command...>',
    'run, test, build, seed, snapshot, deps or source freshness; or retry and a run of dbt',
  )
  .description(
    "one command of dbt as a run of its own; dbt retry <id>: a failed run's nodes alone, and those after",
  )
  .option(
    '-t, --target <name>',
    'output in profiles.yml: snowflake, spark, databricks, redshift or postgres',
    'snowflake',
  )
  .option('-s, --select <selectors...>', "dbt's selectors: mart_carriers+ tag:daily", [])
  .option('--exclude <selectors...>', 'what is left out of them', [])
  .option('--linked-service <name>', "where, and with which keys (default: the factory's only one that fits)")
  .option('--schema <name>', "schema of the marts, in place of the profile's")
  .option('--vars <json>', "dbt's variables, a JSON object; no secrets")
  .option('--full-refresh', 'make incremental models and seeds from nothing')
  .option('--retries <count>', 'how often nodes are tried again that failed for a reason that passes', '2')
  .option(
    '-k, --key <key>',
    "the run's logical key: the same key is the same run (default: each call is a run)",
  )
  .option('--no-watch', 'start it and return')
  .addOption(json())
  .action((words: string[], options: DbtOptions) => dbtCommand(words, options));

program
  .command('secrets')
  .description('secrets that the factory refers to')
  .command('check')
  .description('resolve every reference as a worker would, without printing one')
  .addOption(json())
  .action(async (options: { json?: boolean }) => {
    // The clients of the vaults are loaded when they are needed.
    const { createLinkedServices } = await import('./activities/linked-services.ts');
    await secretsCheckCommand(options, (settings) => createLinkedServices({ settings, env: process.env }));
  });

program
  .command('dev')
  .description('the local world: waybill dev up, status or down (see waybill dev --help)');

// Listed here for --help alone: bin/waybill.js starts it, as the product imports nothing of dev.
program
  .command('rehearse')
  .argument('<directory>', "a factory's directory; it is only read")
  .description(
    'run every pipeline of a factory on a private local world, with made-up data (see waybill rehearse --help)',
  );

try {
  await program.parseAsync();
} catch (error) {
  for (const line of renderFailure(explainFailure(error))) console.error(line);
  process.exitCode = 1;
}
