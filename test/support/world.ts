// The local world for tests.
import { after } from 'node:test';
import { worldDown, worldUp } from '../../dev/world/lifecycle.ts';
import { type EngineName, engineNames } from '../../dev/world/state.ts';
import type { World } from '../../dev/world/world.ts';

// Registered while this module loads, so that it belongs to the whole file: a hook made within `before` would run
// right after that.
let own: string | undefined;
after(async () => {
  if (own) await worldDown(own, { destroy: true });
});

/**
 * A world with (at least) these engines. With WAYBILL_TEST_WORLD set it is the one world of the whole test run: the
 * first to ask starts it, and whoever set the variable ends it. Else it is this file's own, ended with its data after
 * the file's last test.
 */
export async function sharedWorld(engines: readonly EngineName[] = engineNames): Promise<World> {
  const shared = process.env['WAYBILL_TEST_WORLD'];
  const name = shared || `test-${process.pid}`;
  if (!shared) own = name;
  return worldUp({ name, engines, report: (line) => console.error(line) });
}
