// Writes docs/errors.md from the table in src/core/errors.ts. test/unit/errors.test.ts fails when the two differ.
import { writeFile } from 'node:fs/promises';
import { ERRORS } from '../../src/core/errors.ts';

const rows = Object.entries(ERRORS).map(
  ([code, { meaning, next, retryable }]) =>
    `| \`${code}\` | ${meaning} | ${next} | ${retryable ? 'yes' : 'no'} |`,
);

await writeFile(
  'docs/errors.md',
  `# Error codes

Every failure carries one of these codes: in the Temporal UI as the failure's type, on the command line first on the line,
in \`--json\` as \`failure.code\`. Beside it stand what failed (object, file, chunk), why, and what to do next. Texts are built
from an allow-list and never hold a secret or a row's contents beyond its key.

This page is made from \`src/core/errors.ts\` by \`node build/dev/build/error-page.js\`.

| code | what happened | what to do next | tried again by itself |
|---|---|---|---|
${rows.join('\n')}
`,
);
