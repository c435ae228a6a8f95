// Azure Blob Storage as the local world runs it: loopback only, driven by Azure's client and by requests signed by hand.
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob';
import { azureAccount, newAccountKey, type RunningAzurite, startAzurite } from '../../dev/azurite/azurite.ts';

describe('Azure Blob Storage stand-in', { timeout: 120_000 }, () => {
  let directory: string;
  let azurite: RunningAzurite;
  let container: ContainerClient;
  const clientWith = (key: string): ContainerClient =>
    new ContainerClient(`${azurite.endpoint}/landing`, new StorageSharedKeyCredential(azureAccount, key), {
      retryOptions: { maxTries: 1 },
    });

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'waybill-azurite-'));
    azurite = await startAzurite({ directory, containers: ['landing'] });
    container = clientWith(azurite.accountKey);
  });
  after(async () => {
    await azurite?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  it('listens on loopback and nowhere else', { skip: process.platform !== 'linux' }, async () => {
    const addresses = await listeningAddresses(azurite.pid);
    assert.ok(addresses.length > 0, 'found no listening socket of the process');
    for (const address of addresses) assert.match(address, /^0100007F:/, 'not 127.0.0.1');
  });

  it('refuses another key, and the one that everybody knows', async () => {
    const known = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';
    for (const key of [newAccountKey(), known]) {
      await assert.rejects(clientWith(key).getProperties(), { statusCode: 403 });
    }
  });

  it('refuses a block whose MD5 is another, and a blob that is there already', async () => {
    const blob = container.getBlockBlobClient('checked');
    const id = Buffer.from('1').toString('base64');
    const body = Buffer.from('block');
    await assert.rejects(
      blob.stageBlock(id, body, body.length, { transactionalContentMD5: Buffer.alloc(16) }),
      { statusCode: 400 },
    );
    const md5 = createHash('md5').update(body).digest();
    await blob.stageBlock(id, body, body.length, { transactionalContentMD5: md5 });
    await blob.commitBlockList([id]);
    assert.equal((await blob.downloadToBuffer()).toString(), 'block');
    const once = { conditions: { ifNoneMatch: '*' } };
    await assert.rejects(blob.upload('again', 5, once), { statusCode: 409 });
  });

  it('lists blobs that are only blocks where it is asked to', async () => {
    const blob = container.getBlockBlobClient('half/begun');
    await blob.stageBlock(Buffer.from('1').toString('base64'), Buffer.from('x'), 1);
    const names = async (includeUncommitedBlobs: boolean): Promise<string[]> => {
      const found: string[] = [];
      for await (const { name } of container.listBlobsFlat({ prefix: 'half/', includeUncommitedBlobs })) {
        found.push(name);
      }
      return found;
    };
    assert.deepEqual(await names(false), []);
    assert.deepEqual(await names(true), ['half/begun']);
  });

  it('serves requests signed by hand, with names of any letters', async () => {
    const name = 'a b/ü=1/x.txt';
    const path = `/landing/${name.split('/').map(encodeURIComponent).join('/')}`;
    const put = await signed('PUT', path, azurite, 'by hand', { 'x-ms-blob-type': 'BlockBlob' });
    assert.equal(put.status, 201);
    assert.equal((await container.getBlobClient(name).downloadToBuffer()).toString(), 'by hand');
    const get = await signed('GET', path, azurite);
    assert.equal(await get.text(), 'by hand');
  });

  it('keeps blobs over an orderly restart, and over a kill what its catalogue has', async () => {
    await container.getBlockBlobClient('kept').upload('kept', 4);
    const { accountKey } = azurite;
    await azurite.stop();
    azurite = await startAzurite({ directory, accountKey });
    container = clientWith(accountKey);
    assert.equal((await container.getBlobClient('kept').downloadToBuffer()).toString(), 'kept');
    process.kill(azurite.pid, 'SIGKILL');
    azurite = await startAzurite({ directory, accountKey });
    container = clientWith(accountKey);
    assert.equal((await container.getBlobClient('kept').downloadToBuffer()).toString(), 'kept');
  });
});

/** A request with Azure's SharedKey signature, made here from its description and by no one's client. */
async function signed(
  method: string,
  path: string,
  { endpoint, accountKey }: RunningAzurite,
  body = '',
  more: Record<string, string> = {},
): Promise<Response> {
  const headers: Record<string, string> = {
    'x-ms-date': new Date().toUTCString(),
    'x-ms-version': '2021-12-02',
    ...more,
  };
  const canonical = Object.keys(headers)
    .sort()
    .map((key) => `${key}:${headers[key]}\n`)
    .join('');
  const length = body === '' ? '' : String(Buffer.byteLength(body));
  const type = body === '' ? '' : 'text/plain;charset=UTF-8';
  // The account's name appears twice: once for itself, once because it is in the emulator's path.
  const text = `${method}\n\n\n${length}\n\n${type}\n\n\n\n\n\n\n${canonical}/${azureAccount}/${azureAccount}${path}`;
  const signature = createHmac('sha256', Buffer.from(accountKey, 'base64'))
    .update(text, 'utf8')
    .digest('base64');
  return fetch(`${endpoint}${path}`, {
    method,
    headers: { ...headers, authorization: `SharedKey ${azureAccount}:${signature}` },
    ...(body === '' ? {} : { body }),
  });
}

/** Local addresses, in the kernel's hexadecimal form, on which the process accepts TCP connections. */
async function listeningAddresses(pid: number): Promise<string[]> {
  const links = await Promise.all(
    (await readdir(`/proc/${pid}/fd`)).map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')),
  );
  const sockets = new Set(links.map((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1]).filter(Boolean));
  const tables = await Promise.all(
    ['tcp', 'tcp6'].map((table) => readFile(`/proc/${pid}/net/${table}`, 'utf8')),
  );
  return tables
    .flatMap((table) => table.split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === '0A' && sockets.has(fields[9]))
    .map((fields) => fields[1] ?? '');
}
