// Prints a path's medians, and their ratios to the contender it is measured against.
import { formatTable } from '../../src/client/format.ts';
import type { Path } from './contenders.ts';
import type { Figures } from './figures.ts';

export function printPath(path: Path, medians: ReadonlyMap<string, Figures>): void {
  const base = medians.get(path.against);
  const ratio = (one: number, other: number | undefined): string =>
    other === undefined || other === 0 ? '' : `${(one / other).toFixed(2)}×`;
  const table = [['medians', 'wall s', '', 'CPU s', '', 'server CPU s', 'all CPU', 'peak MB', 'out MB']];
  for (const [name, one] of medians) {
    const all = one.cpu + one.serverCpu;
    table.push([
      name,
      one.wall.toFixed(1),
      ratio(one.wall, base?.wall),
      one.cpu.toFixed(1),
      ratio(one.cpu, base?.cpu),
      one.serverCpu.toFixed(1),
      ratio(all, base && base.cpu + base.serverCpu),
      one.rssMb.toFixed(0),
      one.outMb?.toFixed(0) ?? '',
    ]);
  }
  console.log(`\n${path.title}; ratios to ${path.against}`);
  for (const line of formatTable(table, [1, 2, 3, 4, 5, 6, 7, 8])) console.log(`  ${line}`);
}
