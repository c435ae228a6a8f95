// JSON Schemas of the definitions for editors, made of the same zod schemas that the loader checks with.
import { z } from 'zod';
import type { JsonObject, JsonValue } from '../core/json.ts';
import { ADF_TYPES } from './adf-types.ts';
import { isObject } from './resource.ts';
import {
  activitySchema,
  datasetSchema,
  linkedServiceSchema,
  pipelineSchema,
  REQUIRED_PROPERTIES,
} from './schemas.ts';
import { SUPPORTED } from './types.ts';

/** What has no default: everything else may be left out, though the loader's result always has it. */
const REQUIRED = new Set(['name', 'type', 'activity', 'referenceName', 'linkedServiceName']);
const BLOCKS = ['activities', 'ifTrueActivities', 'ifFalseActivities', 'defaultActivities'];

/** The schema of each kind of file, by the name of the file that holds the schema. */
export function definitionSchemas(): Readonly<Record<string, JsonObject>> {
  const pipeline = schemaOf(pipelineSchema);
  const properties = pipeline['properties'];
  if (isObject(properties)) properties['activities'] = activities();
  return {
    'pipeline.schema.json': { ...file('pipeline', pipeline), $defs: { activity: activity() } },
    'dataset.schema.json': file('dataset', typed(schemaOf(datasetSchema), 'dataset')),
    'linkedService.schema.json': file(
      'linked service',
      typed(schemaOf(linkedServiceSchema), 'linkedService'),
    ),
  };
}

const activities = (): JsonObject => ({ type: 'array', items: { $ref: '#/$defs/activity' } });

function activity(): JsonObject {
  const schema = schemaOf(activitySchema);
  const properties = schema['properties'];
  if (isObject(properties)) {
    properties['type'] = suggestion([...ADF_TYPES.activity]);
    properties['typeProperties'] = {
      type: 'object',
      properties: {
        ...Object.fromEntries(BLOCKS.map((block) => [block, activities()])),
        cases: { type: 'array', items: { type: 'object', properties: { activities: activities() } } },
      },
    };
  }
  schema['allOf'] = Object.entries(REQUIRED_PROPERTIES).map(([type, required]) => ({
    if: { properties: { type: { const: type }, state: { not: { const: 'Inactive' } } }, required: ['type'] },
    // biome-ignore lint/suspicious/noThenProperty: JSON Schema's own keyword.
    then: { properties: { typeProperties: { required: [...required] } } },
  }));
  return schema;
}

/** A file is `{ name, properties }`. */
const file = (title: string, properties: JsonObject): JsonObject => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: `waybill ${title}`,
  type: 'object',
  properties: { name: { type: 'string' }, properties },
  required: ['name', 'properties'],
});

function typed(schema: JsonObject, role: 'dataset' | 'linkedService'): JsonObject {
  const properties = schema['properties'];
  if (isObject(properties))
    properties['type'] = suggestion([...new Set([...SUPPORTED[role], ...ADF_TYPES[role]])]);
  return schema;
}

/** Names that an editor offers; others are allowed, in any case. */
const suggestion = (names: string[]): JsonObject => ({ anyOf: [{ enum: names }, { type: 'string' }] });

function schemaOf(schema: z.ZodType): JsonObject {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' });
  return relax(JSON.parse(JSON.stringify(json)) as JsonValue) as JsonObject;
}

/** Takes back that what has a default is required, and zod's way of saying "any JSON". */
function relax(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(relax);
  if (!isObject(value)) return value;
  if (String(value['$ref']).startsWith('#/$defs/__schema')) return {};
  const result: JsonObject = {};
  for (const [key, entry] of Object.entries(value)) {
    if (key === '$defs') continue;
    if (key !== 'required' || !Array.isArray(entry)) result[key] = relax(entry);
    else {
      const kept = entry.filter((name) => REQUIRED.has(String(name)) && !hasDefault(value, String(name)));
      if (kept.length > 0) result[key] = kept;
    }
  }
  return result;
}

function hasDefault(schema: JsonObject, name: string): boolean {
  const properties = schema['properties'];
  const property = isObject(properties) ? properties[name] : undefined;
  return isObject(property) && 'default' in property;
}
