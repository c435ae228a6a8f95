// Linked services of MySQL: ADF's fields, connection strings, TLS that verifies unless told not to.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mysqlConfig } from '../../src/connectors/mysql/config.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';

const read = (properties: JsonObject) => mysqlConfig({ name: 'ls_mysql', type: 'MySql', properties });
const fields: JsonObject = { server: 'db.example', username: 'loader', password: 'secret', database: 'shop' };

test('fields and a connection string say the same', () => {
  const string =
    "Server=db.example;Port=3307;Database=shop;UID=loader;PWD='a;b=c';SSLMode=Required;ConvertZeroDateTime=true;TreatTinyAsBoolean=false";
  const config = read({ connectionString: string });
  const { host, port, user, password, database } = config.connection;
  assert.deepEqual(
    { host, port, user, password, database },
    { host: 'db.example', port: 3307, user: 'loader', password: 'a;b=c', database: 'shop' },
  );
  assert.deepEqual(config.values, { zeroDates: 'null', tinyAsBoolean: false });
  const other = read({ ...fields, port: '3307', convertZeroDateTime: true, treatTinyAsBoolean: false });
  assert.deepEqual({ ...other.connection, password }, config.connection);
  assert.deepEqual(other.values, config.values);
});

test('a password of its own goes before the one in the string', () => {
  const { connection } = read({ connectionString: 'Server=h;Database=d;Uid=u;Pwd=old', password: 'new' });
  assert.equal(connection.password, 'new');
});

test('TLS is verified unless sslMode says otherwise', () => {
  const tls = (sslMode?: string | number) => {
    const { connection, plainAllowed } = read({ ...fields, ...(sslMode !== undefined && { sslMode }) });
    const { ssl } = connection;
    if (ssl === undefined || typeof ssl === 'string') return { ssl, plainAllowed };
    return { chain: ssl.rejectUnauthorized, identity: ssl.verifyIdentity, plainAllowed };
  };
  const verified = { chain: true, identity: true, plainAllowed: false };
  for (const mode of [undefined, 2, 4, '4', 'REQUIRED', 'VERIFY_IDENTITY', 'VerifyFull'])
    assert.deepEqual(tls(mode), verified, String(mode));
  for (const mode of [3, 'VERIFY_CA', 'VerifyCA'])
    assert.deepEqual(tls(mode), { ...verified, identity: false }, String(mode));
  for (const mode of [1, 'PREFERRED', 'Prefered'])
    assert.deepEqual(tls(mode), { chain: false, identity: false, plainAllowed: true }, String(mode));
  for (const mode of [0, '0', 'DISABLED', 'None'])
    assert.deepEqual(tls(mode), { ssl: undefined, plainAllowed: false }, String(mode));
});

test('what is missing or cannot be is named, never its value', () => {
  const refused = (properties: JsonObject, code: string, key: string): void => {
    assert.throws(
      () => read(properties),
      (error: unknown) =>
        error instanceof WaybillError &&
        error.code === code &&
        (error.details['key'] ?? error.details['keys']) === key &&
        !error.message.includes('secret'),
      key,
    );
  };
  const { server: _server, ...homeless } = fields;
  refused(homeless, 'SETTINGS_INVALID', 'server');
  refused({ ...fields, port: 'secret' }, 'SETTINGS_INVALID', 'port');
  refused({ ...fields, caFile: '/no/secret.pem' }, 'SETTINGS_INVALID', 'caFile');
  refused({ ...fields, server: { type: 'SecureString' } }, 'SETTINGS_INVALID', 'server');
  refused({ ...fields, guidFormat: 'Binary16' }, 'DEFINITION_UNSUPPORTED', 'guidFormat');
});

test('zero dates are refused unless the linked service says what they are', () => {
  assert.equal(read(fields).values.zeroDates, 'refuse');
  assert.equal(read({ ...fields, allowZeroDateTime: true }).values.zeroDates, 'text');
  assert.equal(
    read({ ...fields, allowZeroDateTime: true, convertZeroDateTime: '1' }).values.zeroDates,
    'null',
  );
});
