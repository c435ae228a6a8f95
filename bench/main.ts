// `npm run bench [-- copy|flights|lakehouse|snowflake-paths|sql-server-load]`: measures waybill beside peers and floors on the same data in the same run.
const benches: Readonly<Record<string, () => Promise<unknown>>> = {
  copy: () => import('./copy/main.ts'),
  lakehouse: () => import('./lakehouse/main.ts'),
  flights: () => import('./flights/main.ts'),
  'snowflake-paths': () => import('./snowflake-paths/main.ts'),
  'sql-server-load': () => import('./sql-server-load/main.ts'),
};

const name = process.argv[2]?.startsWith('-') === false ? process.argv[2] : 'copy';
const bench = benches[name];
if (bench === undefined) {
  console.error(`There is no bench "${name}": ${Object.keys(benches).join(', ')}.`);
  process.exitCode = 2;
} else {
  await bench();
}
