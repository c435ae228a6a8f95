// A lake in memory, for tests of workflows: objects, unfinished uploads and lifecycle rules.
import { createHash } from 'node:crypto';
import type { LakeStorage, StoredObject, VersionedObject } from '../../src/compute/lake-storage.ts';
import type { LifecycleRule } from '../../src/core/lakehouse.ts';

const versionOf = (body: Buffer): string => createHash('md5').update(body).digest('hex');

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

  async readVersion(uri: string): Promise<VersionedObject | undefined> {
    const body = this.objects.get(uri);
    return body && { body, version: versionOf(body) };
  }

  async replace(
    uri: string,
    body: Uint8Array,
    _contentType: string,
    version: string | undefined,
  ): Promise<boolean> {
    const there = this.objects.get(uri);
    if ((there && versionOf(there)) !== version) return false;
    this.objects.set(uri, Buffer.from(body));
    return true;
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
