// The `schemas` command: JSON Schemas of the definitions, for editors.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { definitionSchemas } from '../definitions/json-schema.ts';
import { lakehouseJsonSchema } from '../definitions/lakehouse/schema.ts';
import { migrationJsonSchema } from '../definitions/migration/schema.ts';
import { streamJsonSchema } from '../definitions/streams/schema.ts';

/** Writes one file for each kind of definition into the directory, which is made where it is missing. */
export function schemasCommand(directory: string): void {
  mkdirSync(directory, { recursive: true });
  const schemas = {
    ...definitionSchemas(),
    'lakehouse.schema.json': lakehouseJsonSchema(),
    'stream.schema.json': streamJsonSchema(),
    'migration.schema.json': migrationJsonSchema(),
  };
  for (const [name, schema] of Object.entries(schemas)) {
    writeFileSync(join(directory, name), `${JSON.stringify(schema, null, 2)}\n`);
    console.log(join(directory, name));
  }
}
