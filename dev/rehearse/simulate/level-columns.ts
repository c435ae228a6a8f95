// What only all activities together tell: which columns a copy without a mapping will meet on either side.
import { ANY_COLUMNS } from '../columns.ts';
import { type FileNeed, type Needs, needColumn, storeKey } from '../needs.ts';

/** Columns go down a chain of copies, at most this many one behind another. */
const LONGEST_CHAIN = 10;

/** A table that steers has a row for every value that it is asked for: a loop may ask for another each time it goes round. */
export function levelRows(needs: Needs): void {
  for (const { control, columns } of needs.tables.values()) {
    const [first] = control;
    if (first === undefined) continue;
    for (const { name, equals } of columns.values()) {
      const key = Object.keys(first).find((each) => each.toLowerCase() === name.toLowerCase());
      if (key === undefined) continue;
      for (const value of equals)
        if (!control.some((row) => String(row[key]).toLowerCase() === String(value).toLowerCase()))
          control.push({ ...first, [key]: value });
    }
  }
}

/** Files that lie side by side get the same columns, and sinks every column of what is copied into them. */
export function levelColumns(needs: Needs): void {
  levelFolders(needs);
  for (const { columns, without = [] } of needs.files.values())
    for (const name of without) columns.delete(name);
  for (let round = 0; round < LONGEST_CHAIN; round++) {
    let grew = false;
    for (const { from, to } of needs.flows) {
      // What the copy makes by itself has what comes.
      if (to.isMade) continue;
      for (const column of [...from.columns.values()]) {
        if (to.columns.has(column.name.toLowerCase())) continue;
        needColumn(to.columns, column.name, column.kind, column.isKnown);
        grew = true;
      }
    }
    if (!grew) return;
  }
}

/** Texts that a later copy reads as numbers or moments are such from the first source on. */
export function levelHoldings(needs: Needs): void {
  for (let round = 0; round < LONGEST_CHAIN; round++) {
    let grew = false;
    for (const { from, to, names } of needs.passages)
      for (const [key, column] of from.columns) {
        const { holds } = to.columns.get(names === undefined ? key : (names.get(key) ?? '')) ?? {};
        if (holds === undefined || column.kind !== 'text' || column.holds !== undefined) continue;
        column.holds = holds;
        grew = true;
      }
    if (!grew) return;
  }
}

const ANY = new Set(ANY_COLUMNS.map(({ name }) => name));

/** Columns of which nothing was known. */
const isGuess = ({ columns }: FileNeed): boolean => [...columns.values()].every(({ name }) => ANY.has(name));

function levelFolders(needs: Needs): void {
  const folders = new Map<string, FileNeed[]>();
  for (const file of needs.files.values()) {
    if (file.control.length > 0) continue;
    const key = `${storeKey(file.store)}|${file.container}|${file.path.replace(/[^/]*$/, '')}|${file.format}`;
    folders.set(key, [...(folders.get(key) ?? []), file]);
  }
  for (const files of folders.values()) {
    const known = files.find((file) => !isGuess(file));
    if (known === undefined) continue;
    for (const file of files) {
      if (!isGuess(file)) continue;
      file.columns.clear();
      for (const [key, column] of known.columns) file.columns.set(key, { ...column });
    }
  }
}
