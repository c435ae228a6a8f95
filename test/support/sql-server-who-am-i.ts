// Prints who a linked service (its properties as JSON in the first argument) signs in as, or the error's code.
import { sqlServerConfig } from '../../src/connectors/sql-server/config.ts';
import { SqlServerConnection } from '../../src/connectors/sql-server/connection.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';

const properties = JSON.parse(process.argv[2] ?? '{}') as JsonObject;
const service = { name: 'ls_test', type: 'AzureSqlDatabase', properties };
try {
  const connection = await SqlServerConnection.open(sqlServerConfig(service), new AbortController().signal);
  const [row] = await connection.query('SELECT SUSER_SNAME() AS me', 'asking');
  process.stdout.write(String(row?.['me']));
  await connection.close();
} catch (error) {
  process.stdout.write(error instanceof WaybillError ? error.code : String(error));
}
