// zod schemas of what the runtime reads from definitions. Loose: other properties pass through untouched.
import { z } from 'zod';

const object = z.record(z.string(), z.json());

/** null stands for absent: tools write either. */
const orAbsent = <T extends z.ZodType>(schema: T) => z.preprocess((value) => value ?? undefined, schema);

const parameterSpecification = z.looseObject({
  type: orAbsent(z.string().default('String')),
  defaultValue: z.json().optional(),
});
/** `parameters` and `variables`; real files write null or leave them out. */
const specifications = z.preprocess((value) => value ?? {}, z.record(z.string(), parameterSpecification));

const reference = z.looseObject({
  referenceName: z.string(),
  parameters: z.preprocess((value) => value ?? {}, object),
});

export const linkedServiceSchema = z.looseObject({
  type: z.string(),
  typeProperties: z.preprocess((value) => value ?? {}, object),
  parameters: specifications,
});

export const datasetSchema = z.looseObject({
  type: z.string(),
  linkedServiceName: reference,
  typeProperties: z.preprocess((value) => value ?? {}, object),
  parameters: specifications,
});

export const pipelineSchema = z.looseObject({
  activities: z.preprocess((value) => value ?? [], z.array(object)),
  parameters: specifications,
  variables: specifications,
  concurrency: z.json().optional(),
});

/** Scalars that Data Factory also takes as an expression object or text. */
const flag = orAbsent(
  z
    .union([z.boolean(), z.json().transform((value) => String(value).trim().toLowerCase() === 'true')])
    .optional(),
);

export const activitySchema = z.looseObject({
  name: z.string().min(1),
  type: z.string().min(1),
  state: orAbsent(z.string().optional()),
  onInactiveMarkAs: orAbsent(z.string().optional()),
  dependsOn: z.preprocess(
    (value) => value ?? [],
    z.array(
      z.looseObject({
        activity: z.string(),
        dependencyConditions: orAbsent(z.array(z.string()).default(['Succeeded'])),
      }),
    ),
  ),
  policy: z.preprocess(
    (value) => value ?? {},
    z.looseObject({
      timeout: z.json().optional(),
      retry: z.json().optional(),
      retryIntervalInSeconds: z.json().optional(),
      secureInput: flag,
      secureOutput: flag,
    }),
  ),
  typeProperties: z.preprocess((value) => value ?? {}, object),
  inputs: orAbsent(z.array(reference).optional()),
  outputs: orAbsent(z.array(reference).optional()),
  userProperties: z.json().optional(),
});
export type ActivityDefinition = z.infer<typeof activitySchema>;

/** The typed properties that control flow cannot run without, by activity type. */
export const REQUIRED_PROPERTIES: Readonly<Record<string, readonly string[]>> = {
  AppendVariable: ['variableName', 'value'],
  AzureFunctionActivity: ['functionName', 'method'],
  Copy: ['source', 'sink'],
  DatabricksJob: ['jobId'],
  DatabricksNotebook: ['notebookPath'],
  DatabricksSparkJar: ['mainClassName'],
  DatabricksSparkPython: ['pythonFile'],
  Delete: ['dataset'],
  ExecuteDataFlow: ['dataflow'],
  ExecutePipeline: ['pipeline'],
  Fail: ['message', 'errorCode'],
  Filter: ['items', 'condition'],
  ForEach: ['items', 'activities'],
  GetMetadata: ['dataset'],
  IfCondition: ['expression'],
  Lookup: ['source', 'dataset'],
  Script: ['scripts'],
  SetVariable: ['variableName', 'value'],
  SqlServerStoredProcedure: ['storedProcedureName'],
  Switch: ['on'],
  Until: ['expression', 'activities'],
  Validation: ['dataset'],
  Wait: ['waitTimeInSeconds'],
  WaybillDbt: ['target'],
  WaybillLakehouse: ['lakehouse', 'window'],
  WebActivity: ['url', 'method'],
  WebHook: ['url'],
};

/** Activities that Data Factory refuses without a linked service of their own. */
export const NEEDS_LINKED_SERVICE: ReadonlySet<string> = new Set([
  'AzureFunctionActivity',
  'DatabricksJob',
  'DatabricksNotebook',
  'DatabricksSparkJar',
  'DatabricksSparkPython',
  'Script',
  'SqlServerStoredProcedure',
]);
