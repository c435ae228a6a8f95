// Signs in to Snowflake as the product would and prints who it is: run as a process of its own, whose environment says
// which certificates Node trusts. Argument: the linked service's properties as JSON.
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { ask } from './snowflake-product.ts';

const properties = JSON.parse(process.argv[2] ?? '{}') as JsonObject;
try {
  const [row] = await ask({ name: 'ls', type: 'SnowflakeV2', properties }, 'SELECT CURRENT_USER() AS ME');
  console.log(String(row?.['me']));
} catch (error) {
  console.log(error instanceof WaybillError ? `${error.code} ${error.message}` : String(error));
}
