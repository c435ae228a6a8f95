// The `size` command: Spark settings and a cluster for an amount of data, and why.
import { WaybillError } from '../core/errors.ts';
import { parseBytes, proposeSize } from '../core/lakehouse/size.ts';
import { SPARK_SETTINGS, sparkProfile } from '../core/lakehouse/spark-profiles.ts';

/** Beyond it a cluster would need more machines than a definition may ask for. */
const MOST_BYTES = 1e15;

/** Prints a proposal; starts nothing and asks no service. Throws PARAMETER_INVALID. */
export function sizeCommand(options: { input: string; skew: string; json?: boolean }): void {
  const inputBytes = parseBytes(options.input);
  if (inputBytes === undefined)
    throw new WaybillError(
      'PARAMETER_INVALID',
      `--input is a size such as 10TB or 500GiB, not "${options.input}".`,
    );
  if (inputBytes > MOST_BYTES)
    throw new WaybillError(
      'PARAMETER_INVALID',
      `--input ${options.input} is more than 1 PB in one run: size a window of it.`,
    );
  const skew = Number(options.skew);
  if (!(skew >= 1 && skew <= 1e6))
    throw new WaybillError(
      'PARAMETER_INVALID',
      `--skew is the largest partition over the median one, a number from 1 on, not "${options.skew}".`,
    );
  const { profile, configuration, cluster, executors, salts, reasons } = proposeSize({ inputBytes, skew });
  const engine = { profile, configuration, cluster };
  if (options.json === true) {
    console.log(JSON.stringify({ inputBytes, skew, executors, salts, engine, reasons }, null, 2));
    return;
  }
  const settings = Object.entries({ ...sparkProfile(profile, 'emr'), ...configuration });
  for (const line of reasons) console.log(line);
  console.log('\nSettings of the profile, with those that differ for this size:');
  for (const [name, value] of settings)
    console.log(`  ${name}=${value}\n      ${SPARK_SETTINGS[name]?.why ?? ''}`);
  console.log(`\nInto "engine" of the definition:\n${JSON.stringify(engine, null, 2)}`);
}
