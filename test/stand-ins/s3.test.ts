// S3 as the local world runs it: loopback only, driven by the AWS SDK and by boto3, data kept over a restart.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import {
  GetBucketLifecycleConfigurationCommand,
  GetObjectCommand,
  PutBucketLifecycleConfigurationCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { projectPath } from '../../dev/cache.ts';
import { type RunningS3, startS3 } from '../../dev/s3/ministack.ts';
import { ensurePython } from '../../dev/setup/python.ts';

const credentials = { accessKeyId: 'local', secretAccessKey: 'local-only' };
const MEBIBYTE = 1024 * 1024;

describe('S3 stand-in', () => {
  let python: string;
  let directory: string;
  let s3: RunningS3;

  before(async () => {
    ({ python } = await ensurePython(console.error));
    directory = await mkdtemp(join(tmpdir(), 'waybill-s3-'));
    s3 = await start();
  });

  after(async () => {
    await s3?.stop();
    if (directory) await rm(directory, { recursive: true, force: true });
  });

  const start = () => startS3({ python, stateDirectory: directory, buckets: ['lake'], credentials });
  const client = () =>
    new S3Client({ endpoint: s3.endpoint, region: 'us-east-1', forcePathStyle: true, credentials });

  const get = async (key: string): Promise<Uint8Array> => {
    const { Body } = await client().send(new GetObjectCommand({ Bucket: 'lake', Key: key }));
    assert.ok(Body);
    return Body.transformToByteArray();
  };

  it('listens on loopback and nowhere else', { skip: process.platform !== 'linux' }, async () => {
    assert.ok(s3.pid);
    const addresses = await listeningAddresses(s3.pid);
    assert.ok(addresses.length > 0, 'found no listening socket of the process');
    for (const address of addresses) assert.match(address, /^0100007F:/, 'not 127.0.0.1');
  });

  it('takes a multipart upload of the AWS SDK and gives it back', async () => {
    const body = Buffer.alloc(11 * MEBIBYTE, 'waybill ');
    const upload = new Upload({
      client: client(),
      params: { Bucket: 'lake', Key: 'big/file', Body: body },
      partSize: 5 * MEBIBYTE,
    });
    const { ETag } = await upload.done();
    assert.match(ETag ?? '', /-3"$/, 'not stored as three parts');
    assert.ok(body.equals(await get('big/file')));
  });

  it('serves boto3', { timeout: 120_000 }, async () => {
    const script = projectPath('test', 'stand-ins', 's3_boto3.py');
    const { stdout } = await promisify(execFile)(python, [script, s3.endpoint]);
    assert.equal(stdout.trim().split('\n').at(-1), 'boto3 ok');
  });

  it('keeps objects over a kill and bucket settings over an orderly restart', {
    timeout: 120_000,
  }, async () => {
    await client().send(new PutObjectCommand({ Bucket: 'lake', Key: 'a=1/ü b.txt', Body: 'kept' }));
    await client().send(
      new PutBucketLifecycleConfigurationCommand({
        Bucket: 'lake',
        LifecycleConfiguration: {
          Rules: [{ ID: 'old', Status: 'Enabled', Filter: { Prefix: 'tmp/' }, Expiration: { Days: 7 } }],
        },
      }),
    );
    await s3.stop();
    s3 = await start();
    const rules = await client().send(new GetBucketLifecycleConfigurationCommand({ Bucket: 'lake' }));
    assert.equal(rules.Rules?.[0]?.ID, 'old');

    assert.ok(s3.pid);
    process.kill(s3.pid, 'SIGKILL');
    s3 = await start();
    assert.equal(Buffer.from(await get('a=1/ü b.txt')).toString(), 'kept');
    assert.equal((await get('big/file')).length, 11 * MEBIBYTE);
  });
});

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
