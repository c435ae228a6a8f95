// Files in a store that no event tells of: which of them are new since the last look. Decides, looks at nothing.
import { stableHash } from '../pipeline/stable-id.ts';

/** A file as a listing shows it. */
export interface ListedFile {
  readonly key: string;
  readonly bytes: number;
  readonly etag: string;
  /** ms since epoch; absent where the store did not say. */
  readonly modified?: number;
}

/** What is remembered between two looks, however many files there are. */
export interface WatchState {
  /** Files modified before it are known, ms since epoch. */
  readonly floor: number;
  /** Hashes of key and etag of files modified since. */
  readonly seen: readonly string[];
  /** Files that may still be written: hash to etag, as the last look found them. */
  readonly unsettled: Readonly<Record<string, string>>;
}

export interface Look {
  readonly fresh: readonly ListedFile[];
  readonly state: WatchState;
  /** Whether there is more than one look takes. */
  readonly more: boolean;
}

/** Stores' clocks differ from ours, and listings lag behind: so long a file may turn up late. */
const OVERLAP = 3_600_000;

/** Files of one look that fire; the rest wait for the next. */
const MAX_FRESH = 200;

/** Hashes that are remembered at most; beyond, the oldest files count as known. */
const MAX_SEEN = 10_000;

const identity = ({ key, etag }: ListedFile): string => stableHash(JSON.stringify([key, etag])).slice(0, 16);

/**
 * Tells the files that fire, oldest first. The first look (no state) only takes note of what is there. With `settles`
 * a file fires once two looks have found it the same: it may be written while it is looked at.
 */
export function lookAtFiles(
  files: readonly ListedFile[],
  state: WatchState | undefined,
  options: { readonly now: number; readonly settles: boolean },
): Look {
  const floor = state?.floor ?? options.now - OVERLAP;
  const recent = files
    .filter(({ modified = options.now }) => modified >= floor)
    .map((file) => ({ file, id: identity(file), modified: file.modified ?? options.now }))
    .sort((a, b) => a.modified - b.modified || (a.file.key < b.file.key ? -1 : 1));
  const known = new Set(state?.seen);
  const fresh: ListedFile[] = [];
  const unsettled: Record<string, string> = {};
  let more = false;
  for (const { file, id } of recent) {
    if (known.has(id)) continue;
    const place = stableHash(file.key).slice(0, 16);
    if (state === undefined) known.add(id);
    else if (options.settles && state.unsettled[place] !== file.etag) unsettled[place] = file.etag;
    else if (fresh.length === MAX_FRESH) {
      more = true;
      if (options.settles) unsettled[place] = file.etag;
    } else {
      fresh.push(file);
      known.add(id);
    }
  }
  // What a listing no longer shows is forgotten, and so is what is older than the overlap.
  const waits = recent.find(({ id }) => !known.has(id))?.modified ?? options.now;
  const next = Math.max(floor, Math.min(options.now - OVERLAP, waits));
  const kept = recent.filter(({ id, modified }) => known.has(id) && modified >= next);
  const over = kept.length - MAX_SEEN;
  return {
    fresh,
    state: {
      floor: over > 0 ? Math.max(next, kept[over]?.modified ?? next) : next,
      seen: (over > 0 ? kept.slice(over) : kept).map(({ id }) => id),
      unsettled,
    },
    more,
  };
}

/** Where a trigger's `blobPathBeginsWith` points: "/container/blobs/folder/a" is container and "folder/a". */
export function watchedPlace(begins: string): { container: string; prefix: string } {
  const [, container = '', prefix = ''] = /^\/?([^/]*)\/blobs\/([\s\S]*)$/.exec(begins) ?? [];
  return container === ''
    ? { container: begins.split('/').filter(Boolean)[0] ?? '', prefix: '' }
    : { container, prefix };
}
