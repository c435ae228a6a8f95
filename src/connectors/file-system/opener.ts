// Opens the folder that a FileServer linked service names as its host.
import type { FileOpener } from '../common/files/file-opener.ts';
import { fileSystemConfig } from './config.ts';
import { FolderStore } from './store.ts';

export const fileSystemOpener: FileOpener = {
  store: 'folder',
  containerKeys: [],
  open: async (service, _container, signal) => new FolderStore(fileSystemConfig(service).root, signal),
};
