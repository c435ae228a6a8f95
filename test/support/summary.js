// node:test reporter: the closing line "N passed, N failed" that continuous integration reads, and after it a line
// "N failed in <file>" for each file with failures. Comes last, alone.
// biome-ignore lint/style/noDefaultExport: node:test takes a reporter as a module's default export
export default async function* summary(source) {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  const failedIn = new Map();
  for await (const event of source) {
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    // Suites are counted by their tests; a file that cannot load counts as one failed test.
    if (event.data.details?.type === 'suite') continue;
    if (event.data.skip !== undefined) skipped += 1;
    else if (event.type === 'test:pass' || event.data.todo !== undefined) passed += 1;
    else {
      failed += 1;
      const file = event.data.file ?? event.data.name;
      failedIn.set(file, (failedIn.get(file) ?? 0) + 1);
    }
  }
  yield `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`;
  for (const [file, count] of failedIn) yield `${count} failed in ${file}\n`;
}
