// Asks for work: the `waybill` command. Starts runs, watches them, lists them, checks definitions.
import { Command, Option } from 'commander';
import { listCommand, runCommand, statusCommand, watchCommand } from './client/commands.ts';
import { evalCommand } from './client/eval.ts';
import { explainFailure, renderFailure } from './client/failure.ts';
import { planCommand } from './client/plan.ts';
import { cancelCommand, rerunCommand, runsCommand, showRunCommand } from './client/run-commands.ts';
import { scheduleCommand } from './client/schedule.ts';
import { schemasCommand } from './client/schemas.ts';
import { secretsCheckCommand } from './client/secrets.ts';
import { sweepCommand } from './client/sweep.ts';
import {
  applyTriggersCommand,
  changeWindowsCommand,
  fireTriggerCommand,
  listTriggersCommand,
  setTriggersStartedCommand,
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
  .command('schedule')
  .argument('<verb>', 'create, trigger, pause, unpause, delete or show')
  .argument('<name>', 'a lakehouse pipeline of the factory')
  .description('a Temporal Schedule for a lakehouse pipeline')
  .option('--cron <expression>', 'when to run, UTC', '0 3 * * *')
  .option('--window <window>', "the run's window (default: the scheduled time)")
  .action(scheduleCommand);

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
  .command('schemas')
  .argument('<directory>', 'where to write them')
  .description(
    'write JSON Schemas of pipelines, datasets, linked services and lakehouse pipelines, for editors',
  )
  .action(schemasCommand);

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
