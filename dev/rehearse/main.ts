// `waybill rehearse`: runs somebody's whole factory on a private local world.
import '../../src/config/quiet-aws.ts';
import { Command } from 'commander';
import { explainFailure, renderFailure } from '../../src/client/failure.ts';
import { rehearse } from './rehearse.ts';
import { printReport, summaryOf } from './report.ts';
import { withWorld } from './world/rehearsal-world.ts';

interface Options {
  readonly pipeline?: string;
  readonly json?: boolean;
  readonly seed: string;
  readonly timeout: string;
  readonly width: string;
  readonly keep: boolean;
}

const program = new Command('waybill rehearse')
  .description(
    'run every pipeline of a factory on a private local world, with data made up from what the definitions say',
  )
  .argument('<directory>', "the factory's directory; it is only read")
  .option('--pipeline <name>', 'only this pipeline')
  .option('--seed <number>', 'the same seed makes the same data', '1')
  .option('--timeout <seconds>', 'how long one pipeline may take', '120')
  .option('--width <count>', 'how many pipelines run beside each other', '3')
  .option('--keep', 'leave the local world up for the next rehearsal', false)
  .option('--json', 'print the report as JSON on stdout, progress on stderr')
  .action(async (directory: string, options: Options) => {
    const told = options.json === true ? console.error : console.log;
    try {
      const report = await withWorld({ keep: options.keep, report: told }, (world) =>
        rehearse({
          directory,
          ...(options.pipeline === undefined ? {} : { pipeline: options.pipeline }),
          seed: Number.parseInt(options.seed, 10) || 1,
          timeout: (Number(options.timeout) || 120) * 1000,
          width: Math.max(1, Number.parseInt(options.width, 10) || 1),
          report: told,
          world,
        }),
      );
      if (options.json === true)
        console.log(JSON.stringify({ ...report, summary: summaryOf(report) }, null, 2));
      else printReport(report);
      process.exitCode = summaryOf(report).right === report.pipelines.length ? 0 : 1;
    } catch (error) {
      for (const line of renderFailure(explainFailure(error))) console.error(line);
      process.exitCode = 2;
    }
  });

await program.parseAsync(process.argv.slice(3), { from: 'user' });
