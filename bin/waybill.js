#!/usr/bin/env node
// The `waybill` command. `waybill dev ...` is the local world, which the product itself never imports.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const isDev = process.argv[2] === 'dev';
const entry = new URL(isDev ? '../build/dev/main.js' : '../build/src/client.js', import.meta.url);
if (!existsSync(fileURLToPath(entry))) {
  console.error('waybill is not built yet. Run: npm run build');
  process.exit(2);
}
await import(entry.href);
