// A folder of this machine as a store of the contract suite, once per file format.
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FORMATS } from './s3.ts';
import type { Store } from './store.ts';

export const fileServerStore = (format: string): Store => {
  const type = 'FileServer';
  let root = '';
  return {
    id: `${type}_${format}`,
    type,
    kind: 'files',
    engines: [],
    waivers: {},
    async start() {
      root = await mkdtemp(join(tmpdir(), 'waybill-folder-'));
      await mkdir(root, { recursive: true });
    },
    async stop() {
      await rm(root, { recursive: true, force: true });
    },
    service: () => ({ name: type, type, properties: { host: root } }),
    address: undefined,
    refusedService: () => undefined,
    endpoint: (place, settings = {}) => ({
      linkedService: type,
      datasetType: format,
      dataset: { location: { type: 'FileServerLocation', folderPath: place }, ...FORMATS[format] },
      settings: { type: `${format}Source`, ...settings },
    }),
    async leftovers() {
      const names = await readdir(root, { recursive: true });
      return names.filter((name) => name.includes('staged-') || name.endsWith('.uploading'));
    },
  };
};
