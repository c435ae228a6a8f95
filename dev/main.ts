// `waybill dev`: the local world from the command line.
import '../src/config/quiet-aws.ts';
import { Command } from 'commander';
import { devDown, devStatus, devUp } from './world/commands.ts';
import { printEnvironment, runServer, runWorker } from './world/environment.ts';
import { defaultWorld } from './world/lifecycle.ts';

const program = new Command('waybill dev')
  .description(
    'the local world: Temporal, PostgreSQL, SQL Server, Snowflake, S3 and EMR on loopback, without Docker or cloud',
  )
  .addHelpText(
    'after',
    `
A session:
  waybill dev up --seed          start everything and load the example data
  waybill dev worker             run a worker in it (another terminal)
  waybill --local run pl_sqlserver_to_snowflake
  waybill dev down

\`waybill --local <command>\` runs any command against the local world; \`eval "$(waybill dev env)"\` does so for a shell.`,
  );

const name = ['--name <name>', 'which world', defaultWorld] as const;
const json = ['--json', 'one JSON document on stdout, progress on stderr', false] as const;

program
  .command('up')
  .description('start what is not running yet, and say where everything is')
  .option(...name)
  .option('--seed', 'load the example data set where it is not loaded yet', false)
  .option('--kafka', 'a Kafka too', false)
  .option(...json)
  .action(async (options: { name: string; seed: boolean; kafka: boolean; json: boolean }) => {
    process.exitCode = await devUp(options);
  });

program
  .command('status')
  .description(
    'what runs; exit code 0 when everything does, 1 when something does not, 3 when the world is down',
  )
  .option(...name)
  .option(...json)
  .action(async (options: { name: string; json: boolean }) => {
    process.exitCode = await devStatus(options);
  });

program
  .command('down')
  .description('end everything; its data stays for the next start')
  .option(...name)
  .option('--destroy', 'delete its data too', false)
  .option(...json)
  .action(async (options: { name: string; destroy: boolean; json: boolean }) => {
    process.exitCode = await devDown(options);
  });

program
  .command('env')
  .description('print the environment that points a shell at the world (holds its passwords)')
  .option(...name)
  .action(async (options: { name: string }) => {
    process.exitCode = await printEnvironment(options.name);
  });

program
  .command('worker')
  .description('run a worker in the world until Ctrl-C')
  .option(...name)
  .action(async (options: { name: string }) => {
    process.exitCode = await runWorker(options.name);
  });

program
  .command('server')
  .description('run the HTTP door in the world until Ctrl-C: signed starts, events, callbacks, monitoring')
  .option(...name)
  .action(async (options: { name: string }) => {
    process.exitCode = await runServer(options.name);
  });

await program.parseAsync(process.argv.slice(3), { from: 'user' });
