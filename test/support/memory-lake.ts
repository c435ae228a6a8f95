// A lake in memory, for tests of workflows: objects, unfinished uploads and lifecycle rules.
import type { LakeStorage, StoredObject } from '../../src/compute/lake-storage.ts';
import type { LifecycleRule } from '../../src/core/lakehouse.ts';

export class MemoryLake implements LakeStorage {
  readonly objects = new Map<string, Buffer>();
  readonly rules = new Map<string, readonly LifecycleRule[]>();

  put(uri: string, body = 'x'): void {
    this.objects.set(uri, Buffer.from(body));
  }

  under(prefix: string): string[] {
    return [...this.objects.keys()].filter((uri) => uri.startsWith(prefix)).sort();
  }

  async *list(prefix: string): AsyncIterable<StoredObject[]> {
    yield this.under(prefix).map((uri) => ({ uri, bytes: this.objects.get(uri)?.length ?? 0 }));
  }

  async read(uri: string): Promise<Buffer | undefined> {
    return this.objects.get(uri);
  }

  async exists(uri: string): Promise<boolean> {
    return this.objects.has(uri);
  }

  async write(uri: string, body: Uint8Array): Promise<void> {
    this.objects.set(uri, Buffer.from(body));
  }

  async remove(uris: readonly string[]): Promise<void> {
    for (const uri of uris) this.objects.delete(uri);
  }

  async abortUploads(): Promise<number> {
    return 0;
  }

  async mergeLifecycle(bucket: string, owner: string, rules: readonly LifecycleRule[]) {
    this.rules.set(`${bucket}/${owner}`, rules);
    return { applied: rules.length, kept: 0 };
  }
}
