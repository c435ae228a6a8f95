// Bundles the workflows once, at build time: a worker then starts in half a second instead of several.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const workflowsPath = fileURLToPath(new URL('../../src/workflows/index.js', import.meta.url));
const target = fileURLToPath(new URL('../../workflow-bundle.js', import.meta.url));
const quiet = (): void => {};

const { code } = await bundleWorkflowCode({
  workflowsPath,
  logger: {
    log: quiet,
    trace: quiet,
    debug: quiet,
    info: quiet,
    warn: (message) => console.error(message),
    error: (message) => console.error(message),
  },
});
await writeFile(target, code);
