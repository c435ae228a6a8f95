// Which addresses definitions may have called, in every spelling that means this machine or a metadata service.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAddressGuard } from '../../../src/activities/web/address-guard.ts';
import { WaybillError } from '../../../src/core/errors.ts';

const refused = async (address: string, allow: string[] = []): Promise<string> => {
  try {
    const { address: reached } = await createAddressGuard(allow).resolve(new URL(address));
    return `reached ${reached}`;
  } catch (error) {
    assert.ok(error instanceof WaybillError, String(error));
    return error.code;
  }
};

const HERE = [
  'http://127.0.0.1/',
  'http://127.1/',
  'http://127.255.255.254/',
  'http://2130706433/',
  'http://0x7f000001/',
  'http://0x7f.1/',
  'http://0177.0.0.1/',
  'http://0/',
  'http://0.0.0.0/',
  'http://localhost/',
  'http://LOCALHOST./',
  'http://[::1]/',
  'http://[::]/',
  'http://[::ffff:127.0.0.1]/',
  'http://[::ffff:7f00:1]/',
  'http://[::127.0.0.1]/',
  'http://[64:ff9b::127.0.0.1]/',
  'http://[2002:7f00:1::]/',
  'http://①②⑦.⓪.⓪.①/',
  'http://169.254.169.254/latest/meta-data/',
  'http://2852039166/',
  'http://[::ffff:169.254.169.254]/',
  'http://[fe80::1]/',
  'http://[fd00:ec2::254]/',
  'http://100.100.100.200/',
  'http://168.63.129.16/',
  'http://192.0.0.192/',
  'http://224.0.0.1/',
  'http://255.255.255.255/',
  'https://user:pass@127.0.0.1:8443/',
];

for (const address of HERE)
  test(`${address} is not called`, async () => {
    assert.equal(await refused(address), 'ADDRESS_REFUSED');
  });

for (const address of [
  'file:///etc/passwd',
  'ftp://example.com/',
  'data:,x',
  'gopher://10.0.0.1/',
  'javascript:0',
])
  test(`${address} is no address to call`, async () => {
    assert.equal(await refused(address), 'ADDRESS_REFUSED');
  });

test('private networks and the rest of the world are called', async () => {
  assert.equal(await refused('http://10.1.2.3/'), 'reached 10.1.2.3');
  assert.equal(await refused('https://192.168.0.10:8443/x'), 'reached 192.168.0.10');
  assert.equal(await refused('http://[2001:db8::7]/'), 'reached 2001:db8::7');
  assert.equal(await refused('http://8.8.8.8/'), 'reached 8.8.8.8');
});

test('settings allow a host, a port of it, or a network', async () => {
  assert.equal(await refused('http://127.0.0.1:8080/', ['127.0.0.1:8080']), 'reached 127.0.0.1');
  assert.equal(await refused('http://127.0.0.1:8081/', ['127.0.0.1:8080']), 'ADDRESS_REFUSED');
  assert.equal(await refused('http://127.0.0.1:9/', ['127.0.0.0/8']), 'reached 127.0.0.1');
  assert.equal(await refused('http://169.254.169.254/', ['127.0.0.0/8']), 'ADDRESS_REFUSED');
  assert.equal(await refused('http://[::1]:1/', ['::1/128']), 'reached ::1');
  assert.match(await refused('http://localhost/', ['localhost']), /^reached (127\.0\.0\.1|::1)$/);
  assert.equal(await refused('https://localhost/', ['localhost:80']), 'ADDRESS_REFUSED');
});

test('a network that is none is said so when the guard is made', () => {
  for (const entry of ['127.0.0.0/33', 'localhost/8', '::1/129', '10.0.0.0/x'])
    assert.throws(() => createAddressGuard([entry]), { code: 'SETTINGS_INVALID' }, entry);
});

test('a name that nobody knows is no refusal', async () => {
  assert.equal(await refused('http://no-such-host.invalid/'), 'CONNECTION_FAILED');
});
