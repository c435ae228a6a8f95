// A program that begins to upload a file and never ends: tests kill it. Says "sent" once two parts are in the store.
import { setTimeout as delay } from 'node:timers/promises';
import { azureBlobOpener } from '../../src/connectors/azure-blob/opener.ts';
import type { FileOpener } from '../../src/connectors/common/files/file-opener.ts';
import { fileSystemOpener } from '../../src/connectors/file-system/opener.ts';
import { s3Opener } from '../../src/connectors/s3/opener.ts';
import type { ConnectedLinkedService } from '../../src/core/linked-service.ts';

const OPENERS: Readonly<Record<string, FileOpener>> = {
  AmazonS3: s3Opener,
  AzureBlobStorage: azureBlobOpener,
  FileServer: fileSystemOpener,
};

const [service, container, key] = JSON.parse(process.argv[2] ?? '') as [
  ConnectedLinkedService,
  string,
  string,
];
const opener = OPENERS[service.type];
if (opener === undefined) throw new Error(`no opener for ${service.type}`);
const partSize = 5 * 1_048_576;
const store = await opener.open(service, container, new AbortController().signal, { partSize });

async function* endless(): AsyncGenerator<Buffer> {
  // Parts are sent two at a time: once the fifth is asked for, two have arrived.
  for (let part = 0; part < 5; part++) yield Buffer.alloc(partSize, part);
  console.log('sent');
  for (;;) await delay(1_000);
}
await store.write(key, endless(), { contentType: 'text/plain', verify: true });
