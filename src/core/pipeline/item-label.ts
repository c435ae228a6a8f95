// Names the iterations of a loop, so that child workflow ids say what they work on and stay the same on a rerun.
import type { JsonValue } from '../json.ts';

const SAFE = /^[\w.\- ]{1,80}$/;

/**
 * One label an item: the item itself where all items are short, distinct scalars ("flights"), else their index.
 */
export function itemLabels(items: readonly JsonValue[]): string[] {
  const labels = items.map((item) =>
    typeof item === 'string' || typeof item === 'number' ? String(item) : '',
  );
  const usable =
    labels.every((label) => SAFE.test(label)) &&
    new Set(labels.map((label) => label.toLowerCase())).size === labels.length;
  return usable ? labels : items.map((_, index) => String(index));
}
