// Who may import whom: the table of docs/architecture.md, enforced on every import line of src.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

const source = resolve('src');

interface Rule {
  /** Areas of src that may be imported; "x:type" only as a type. */
  readonly areas: readonly string[];
  /** Packages that may be imported, by prefix; "node:" stands for every built-in module. */
  readonly packages: readonly string[];
}

const everything = [
  'core',
  'config',
  'definitions',
  'connectors',
  'compute',
  'activities',
  'interceptors',
  'plugins',
  'client',
  'server',
];

const RULES: Record<string, Rule> = {
  core: { areas: [], packages: [] },
  workflows: { areas: ['core'], packages: ['@temporalio/workflow', '@temporalio/common'] },
  config: { areas: ['core'], packages: ['zod', 'smol-toml', 'node:', '@temporalio/envconfig'] },
  definitions: { areas: ['core', 'config:type'], packages: ['zod', 'node:'] },
  connectors: {
    areas: ['core', 'definitions', 'config:type'],
    packages: [
      'zod',
      'node:',
      'mssql',
      'pg',
      'pg-copy-streams',
      'snowflake-sdk',
      '@aws-sdk/',
      '@azure/',
      'mysql2',
      'hyparquet',
      'avsc',
      'hyparquet-compressors',
      'sax',
      '@toondepauw/node-zstd',
    ],
  },
  compute: { areas: ['core', 'definitions', 'config:type'], packages: ['node:', 'zod', '@aws-sdk/'] },
  activities: {
    areas: ['core', 'config', 'definitions', 'connectors', 'compute'],
    packages: [
      'node:',
      '@temporalio/activity',
      '@temporalio/common',
      '@aws-sdk/',
      '@azure/',
      'fflate',
      'zod',
    ],
  },
  interceptors: {
    areas: ['core', 'config', 'connectors', 'compute'],
    packages: ['@temporalio/', 'pino', 'node:'],
  },
  plugins: { areas: everything, packages: ['@temporalio/', 'node:'] },
  client: {
    areas: ['core', 'config', 'definitions', 'interceptors'],
    packages: ['@temporalio/client', '@temporalio/common', '@temporalio/envconfig', 'commander', 'node:'],
  },
  server: {
    areas: ['core', 'config', 'definitions', 'activities', 'client'],
    packages: ['@temporalio/client', '@temporalio/common', 'node:'],
  },
  '.': { areas: everything, packages: ['@temporalio/', 'commander', 'node:'] },
};

interface Import {
  readonly file: string;
  readonly specifier: string;
  readonly typeOnly: boolean;
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const found: Import[] = [];
  const statement = /^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]/gm;
  for (const match of text.matchAll(statement)) {
    found.push({ file, specifier: match[2] ?? '', typeOnly: match[1] !== undefined });
  }
  for (const match of text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g)) {
    found.push({ file, specifier: match[1] ?? '', typeOnly: false });
  }
  return found;
}

const areaOf = (file: string): string => {
  const parts = relative(source, file).split('/');
  return parts.length === 1 ? '.' : (parts[0] ?? '.');
};

const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join(source, name));

function problemOf({ file, specifier, typeOnly }: Import): string | undefined {
  const area = areaOf(file);
  const rule = RULES[area];
  if (rule === undefined) return `src/${area} has no rule`;
  if (!specifier.startsWith('.')) {
    const allowed = rule.packages.some(
      (name) =>
        specifier === name ||
        specifier.startsWith(name.endsWith('/') || name.endsWith(':') ? name : `${name}/`),
    );
    return allowed ? undefined : `imports package ${specifier}`;
  }
  const target = areaOf(resolve(dirname(file), specifier));
  if (target.startsWith('..')) return `imports ${specifier}, outside src`;
  if (target === area) return area === 'connectors' ? siblingProblem(file, specifier) : undefined;
  const allowed = rule.areas.includes(target) || (typeOnly && rule.areas.includes(`${target}:type`));
  return allowed ? undefined : `imports ${target} (${specifier})`;
}

/** One store's connector never reaches into another's folder: what both need lies beside them. */
function siblingProblem(file: string, specifier: string): string | undefined {
  const own = relative(join(source, 'connectors'), file).split('/');
  const other = relative(join(source, 'connectors'), resolve(dirname(file), specifier)).split('/');
  if (own.length === 1 || other.length === 1 || own[0] === other[0]) return undefined;
  return SHARED_CONNECTOR_FOLDERS.has(other[0] ?? '')
    ? undefined
    : `imports a sibling connector (${specifier})`;
}

/** Folders of src/connectors that are no store. */
const SHARED_CONNECTOR_FOLDERS = new Set(['common']);

test('every import of src is one that the table allows', () => {
  const problems = files
    .flatMap(importsOf)
    .map((line) => ({ line, problem: problemOf(line) }))
    .filter(({ problem }) => problem !== undefined)
    .map(({ line, problem }) => `${relative('.', line.file)} ${problem}`);
  assert.deepEqual(problems, []);
});

test('the scanner sees what it should', () => {
  assert.ok(files.length > 30, `only ${files.length} files found`);
  const all = files.flatMap(importsOf);
  assert.ok(all.some(({ specifier }) => specifier === '@temporalio/workflow'));
  assert.ok(problemOf({ file: join(source, 'core/x.ts'), specifier: 'node:fs', typeOnly: false }));
  assert.ok(
    problemOf({ file: join(source, 'workflows/x.ts'), specifier: '../activities/copy.ts', typeOnly: true }),
  );
  assert.ok(
    problemOf({ file: join(source, 'client/x.ts'), specifier: '../../dev/cache.ts', typeOnly: true }),
  );
});
