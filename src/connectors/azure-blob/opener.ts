// Opens containers of Azure Blob Storage, and file systems of ADLS Gen2.
import type { FileOpener } from '../common/files/file-opener.ts';
import { azureBlobConfig } from './config.ts';
import { connectContainer } from './connection.ts';
import { AzureBlobStore } from './store.ts';

export const azureBlobOpener: FileOpener = {
  store: 'Azure Blob',
  containerKeys: ['container', 'fileSystem'],
  open: async (service, container, signal, options) =>
    new AzureBlobStore(await connectContainer(azureBlobConfig(service), container), signal, options),
};
