// The one driver error that may pass uncaught, told apart by where it comes from.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isLateEndOfMessage } from '../../src/connectors/sql-server/driver-defect.ts';

/** As seen when the SQL Server stand-in was stopped in the middle of a read, file names shortened. */
const STACK = `TypeError: Cannot read properties of undefined (reading 'callback')
    at Parser.onEndOfMessage (/app/node_modules/tedious/lib/connection.js:2689:22)
    at Object.onceWrapper (node:events:638:28)`;

function typeError(stack: string): TypeError {
  const error = new TypeError("Cannot read properties of undefined (reading 'callback')");
  error.stack = stack;
  return error;
}

test('the late end of a message of a broken connection is known', () => {
  assert.equal(isLateEndOfMessage(typeError(STACK)), true);
});

test('the same words from elsewhere are not', () => {
  assert.equal(isLateEndOfMessage(typeError(STACK.replace('tedious', 'waybill'))), false);
  assert.equal(isLateEndOfMessage(new Error('reading callback')), false);
  assert.equal(isLateEndOfMessage(undefined), false);
});
