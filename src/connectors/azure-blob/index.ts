// Azure Blob Storage and ADLS Gen2: files in containers, uploaded in blocks.
import { fileConnector } from '../common/files/file-connector.ts';
import type { Connector } from '../connector.ts';
import { azureBlobOpener } from './opener.ts';

export const azureBlob: Connector = fileConnector(azureBlobOpener);
