// Finds the files of a factory: Data Factory's Git layout at any depth, Fabric's items, and loose files where there are none.
import { type Dirent, readdirSync, realpathSync, statSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { KINDS, type ResourceKind } from './resource.ts';

export interface FoundFile {
  readonly path: string;
  /** Relative to the factory directory, with forward slashes. */
  readonly file: string;
  /** The folder that holds the kinds' folders, as `file` is written; "" is the factory directory itself. */
  readonly root: string;
  /** `fabric` is a pipeline-content.json; `loose` lies outside of every kind's folder and may be an ARM template. */
  readonly kind: ResourceKind | 'fabric' | 'loose';
}

const kindOfFolder = new Map<string, ResourceKind>(KINDS.map((kind) => [kind.toLowerCase(), kind]));
/** Where one of these is, the files in folders of kinds are all there is. */
const LAYOUT: readonly FoundFile['kind'][] = ['pipeline', 'fabric', 'lakehouse', 'streams', 'migration'];
/** Folders are searched this deep for a nested root such as adf/src/pipeline/. */
const MAX_FOLDER_DEPTH = 8;
const SKIPPED = new Set(['node_modules', '.git', '.venv', 'build', 'dist']);
/** Loose files are opened only where nothing else is a pipeline, and no more of them than this. */
const MAX_LOOSE = 2000;
/** Files that tools put beside definitions. */
const NOT_LOOSE = /^(package|package-lock|tsconfig|publish_config|settings|launch|tasks|xmla)\.json$/i;

/**
 * Every file that may hold a resource. Loose ones only where no pipeline lies in a folder of its kind or in a Fabric item:
 * a repository often holds an ARM export of the same definitions beside them.
 */
export function findFiles(directory: string): FoundFile[] {
  const found: FoundFile[] = [];
  const loose: FoundFile[] = [];
  const seen = new Set<string>();
  const visit = (folder: string, kind: ResourceKind | undefined, root: string, depth: number): void => {
    const real = realpathSync(folder);
    if (seen.has(real)) return;
    seen.add(real);
    const here = relative(directory, folder).split(sep).join('/');
    const entries = readdirSync(folder, { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name);
      const type = typeOf(entry, path);
      if (type === 'directory' && depth < MAX_FOLDER_DEPTH && !SKIPPED.has(entry.name)) {
        const named = kindOfFolder.get(entry.name.toLowerCase());
        // Folders within a kind's folder only sort its files; "factory" is also a usual name for a whole repository.
        const inner = named ?? (kind === 'factory' ? undefined : kind);
        visit(path, inner, inner === kind && kind !== undefined ? root : here, depth + 1);
      } else if (type === 'file' && /\.json$/i.test(entry.name)) {
        const file = here === '' ? entry.name : `${here}/${entry.name}`;
        if (entry.name.toLowerCase() === 'pipeline-content.json')
          found.push({ path, file, root: here.split('/').slice(0, -1).join('/'), kind: 'fabric' });
        else if (kind !== undefined) found.push({ path, file, root, kind });
        else if (loose.length < MAX_LOOSE && !NOT_LOOSE.test(entry.name))
          loose.push({ path, file, root: here, kind: 'loose' });
      }
    }
  };
  // The root's own name says nothing: it may well be called "factory".
  visit(directory, undefined, '', 0);
  const layout = found.some(({ kind }) => LAYOUT.includes(kind));
  return layout ? found : [...found, ...loose];
}

/** Links are followed: mounted configuration is made of them. */
function typeOf(entry: Dirent, path: string): 'file' | 'directory' | 'other' {
  const kind = entry.isSymbolicLink() ? statSync(path, { throwIfNoEntry: false }) : entry;
  return kind?.isFile() ? 'file' : kind?.isDirectory() ? 'directory' : 'other';
}
