// Copies between datasets in one folder of this machine, run as a worker runs them; and more linked services, if given.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { CopyEndpoint } from '../../src/core/copy.ts';
import type { JsonObject } from '../../src/core/json.ts';
import type { ConnectedLinkedService } from '../../src/core/linked-service.ts';
import { CopyRunner } from '../contract/copy-runner.ts';

export interface FolderCopies {
  readonly runner: CopyRunner;
  put(name: string, content: string | Buffer): Promise<void>;
  remove(name: string): Promise<void>;
  /** Names of all files below a folder but those of ledgers, sorted; relative to it. */
  names(folder: string): Promise<string[]>;
  bytes(name: string): Promise<Buffer>;
  text(name: string): Promise<string>;
  /** "folder/file" or "folder/" of the folder. */
  end(type: string, place: string, dataset?: JsonObject, settings?: JsonObject): CopyEndpoint;
  /** Copies into a CSV file with a header and gives its lines. */
  lines(id: string, source: CopyEndpoint, options?: JsonObject): Promise<string[]>;
  stop(): Promise<void>;
}

export const folderCopies = async (
  others: (name: string) => ConnectedLinkedService | undefined = () => undefined,
): Promise<FolderCopies> => {
  const root = await mkdtemp(join(tmpdir(), 'waybill-folder-'));
  const folder: ConnectedLinkedService = { name: 'folder', type: 'FileServer', properties: { host: root } };
  const runner = await CopyRunner.start('folder', (name) => others(name) ?? folder);
  const copies: FolderCopies = {
    runner,
    async put(name, content) {
      await mkdir(dirname(join(root, name)), { recursive: true });
      await writeFile(join(root, name), content);
    },
    remove: (name) => rm(join(root, name)),
    async names(below) {
      const found = await readdir(join(root, below), { recursive: true, withFileTypes: true });
      return found
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(join(root, below, '/').length))
        .filter((name) => !name.includes('_waybill/'))
        .sort();
    },
    bytes: (name) => readFile(join(root, name)),
    text: async (name) => (await copies.bytes(name)).toString('utf8'),
    end(type, place, dataset = {}, settings = {}) {
      const slash = place.lastIndexOf('/');
      const [folderPath, fileName] = [place.slice(0, Math.max(slash, 0)), place.slice(slash + 1)];
      return {
        linkedService: 'folder',
        datasetType: type,
        dataset: {
          location: {
            type: 'FileServerLocation',
            ...(folderPath === '' ? {} : { folderPath }),
            ...(fileName === '' ? {} : { fileName }),
          },
          ...dataset,
        },
        settings,
      };
    },
    async lines(id, source, options = {}) {
      const sink = copies.end(
        'DelimitedText',
        `lines/${id}.csv`,
        { firstRowAsHeader: true },
        { formatSettings: { quoteAllText: false } },
      );
      await runner.copy(id, source, sink, options);
      return (await copies.text(`lines/${id}.csv`)).split('\n').slice(0, -1);
    },
    async stop() {
      await runner.stop();
      await rm(root, { recursive: true, force: true });
    },
  };
  return copies;
};
