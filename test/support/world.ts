// The local world for tests.
import { after } from 'node:test';
import { worldDown, worldUp } from '../../dev/world/lifecycle.ts';
import { type EngineName, engineNames } from '../../dev/world/state.ts';
import type { World } from '../../dev/world/world.ts';

/**
 * A world with (at least) these engines. With WAYBILL_TEST_WORLD set it is the one world of the whole test run,
 * started by whoever asks first and ended by whoever set the variable; else one for this file alone, ended with its data after the
 * file's last test. Call it in `before` or at the top level.
 */
export async function sharedWorld(engines: readonly EngineName[] = engineNames): Promise<World> {
  const shared = process.env['WAYBILL_TEST_WORLD'];
  const name = shared || `test-${process.pid}`;
  if (!shared) {
    after(async () => {
      await worldDown(name, { destroy: true });
    });
  }
  return worldUp({ name, engines, report: (line) => console.error(line) });
}
