// The texts that activities with secureOutput gave in a run: found again in what other activities are given, they are hidden
// there too, whether the definition thought of it or not.
import type { JsonValue } from '../json.ts';

/** Shorter texts are names and states more often than secrets. */
const SHORTEST = 6;
const LONGEST = 10_000;
/** Texts looked for: a hidden table of thousands of rows is for secureInput to protect. */
const MOST = 1_000;

/** Members of outputs that say nothing of the store's own values. */
const PUBLIC = new Set([
  'effectiveIntegrationRuntime',
  'billingReference',
  'durationInQueue',
  'ADFWebActivityResponseHeaders',
]);

const MASK = '**********';

export class SecureValues {
  private readonly texts = new Set<string>();

  /** Takes the texts of a secure output, at any depth. */
  add(output: JsonValue): void {
    if (typeof output !== 'object' || output === null || Array.isArray(output)) this.collect(output);
    else for (const [key, value] of Object.entries(output)) if (!PUBLIC.has(key)) this.collect(value);
  }

  /** Those of the texts that stand somewhere in the value. */
  within(value: JsonValue): string[] {
    if (this.texts.size === 0) return [];
    const found = new Set<string>();
    visit(value, (text) => {
      for (const secret of this.texts) if (text.includes(secret)) found.add(secret);
    });
    return [...found];
  }

  /** The value with a mask in place of every such text. */
  masked<T extends JsonValue>(value: T): T {
    if (this.texts.size === 0) return value;
    return replaced(value, (text) => {
      let result = text;
      for (const secret of this.texts) result = result.replaceAll(secret, MASK);
      return result;
    }) as T;
  }

  private collect(value: JsonValue): void {
    visit(value, (text) => {
      const secret = text.trim();
      if (secret.length < SHORTEST || secret.length > LONGEST || this.texts.size >= MOST) return;
      this.texts.add(secret);
    });
  }
}

function visit(value: JsonValue, see: (text: string) => void): void {
  if (typeof value === 'string') see(value);
  else if (Array.isArray(value)) for (const entry of value) visit(entry, see);
  else if (typeof value === 'object' && value !== null)
    for (const entry of Object.values(value)) visit(entry, see);
}

function replaced(value: JsonValue, change: (text: string) => string): JsonValue {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((entry) => replaced(entry, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, replaced(entry, change)]));
}
