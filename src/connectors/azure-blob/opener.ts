// Opens containers of Azure Blob Storage, and file systems of ADLS Gen2.
import type { FileOpener } from '../common/files/file-opener.ts';
import { azureBlobConfig } from './config.ts';
import { connectAccount, connectContainer } from './connection.ts';
import { azureError } from './errors.ts';
import { AzureBlobStore } from './store.ts';

export const azureBlobOpener: FileOpener = {
  store: 'Azure Blob',
  containerKeys: ['container', 'fileSystem'],
  open: async (service, container, signal, options) =>
    new AzureBlobStore(await connectContainer(azureBlobConfig(service), container), signal, options),
  async makeContainer(service, container) {
    const { client } = await connectContainer(azureBlobConfig(service), container);
    try {
      await client.createIfNotExists();
    } catch (error) {
      throw azureError(error, `making container ${container}`);
    }
  },
  async containers(service) {
    const client = await connectAccount(azureBlobConfig(service));
    const names: string[] = [];
    try {
      for await (const { name } of client.listContainers()) names.push(name);
    } catch (error) {
      throw azureError(error, 'listing the containers of the account');
    }
    return names;
  },
};
