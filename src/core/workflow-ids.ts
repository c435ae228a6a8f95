// Workflow ids: paths of logical identity, never made from a clock or a random number, so that asking twice for
// the same thing is asking once.

/** The id of a pipeline's run. `key` is the window, file, event or the caller's own key. */
export const pipelineWorkflowId = (pipeline: string, key: string): string => `pipeline/${pipeline}/${key}`;

/** The id of a lakehouse pipeline's run over one window. */
export const lakehouseWorkflowId = (name: string, window: string): string => `lakehouse/${name}/${window}`;

/** The id of a stream's supervision: one a stream. */
export const streamWorkflowId = (name: string): string => `stream/${name}`;

/** The id of one Copy activity within its parent. `item` tells the iterations of a ForEach apart. */
export const copyWorkflowId = (parent: string, activity: string, item?: string): string =>
  item === undefined ? `${parent}/copy/${activity}` : `${parent}/copy/${activity}/${item}`;

/** The id of one run of a data flow within its parent. `item` tells the iterations of a ForEach apart. */
export const dataFlowWorkflowId = (parent: string, activity: string, item?: string): string =>
  item === undefined ? `${parent}/dataflow/${activity}` : `${parent}/dataflow/${activity}/${item}`;

/** The id of the workflow that owns one cluster. */
export const clusterWorkflowId = (name: string, owner: string): string => `cluster/${name}/${owner}`;

/** The id of one Spark job within its parent. */
export const sparkWorkflowId = (parent: string, stage: string): string => `${parent}/spark/${stage}`;

/** The id of one run of dbt within its parent. `item` tells the iterations of a ForEach apart. */
export const dbtWorkflowId = (parent: string, name: string, item?: string): string =>
  item === undefined ? `${parent}/dbt/${name}` : `${parent}/dbt/${name}/${item}`;

/** The id of a run of dbt that somebody asked for by itself. */
export const ownDbtWorkflowId = (target: string, key: string): string => `dbt/${target}/${key}`;

/** The id of a pipeline that another pipeline's Execute Pipeline activity runs. */
export const childPipelineWorkflowId = (parent: string, activity: string, item?: string): string =>
  item === undefined ? `${parent}/pipeline/${activity}` : `${parent}/pipeline/${activity}/${item}`;

/** The id of a child that runs iterations of a loop; `first` tells the children of one loop apart. */
export const loopWorkflowId = (
  parent: string,
  activity: string,
  item: string | undefined,
  first: string,
): string => `${parent}/loop/${activity}${item === undefined ? '' : `/${item}`}/from-${first}`;

/** The id of a migration, and of its run of a window on Databricks. */
export const migrationWorkflowId = (name: string): string => `migration/${name}`;
export const migratedRunWorkflowId = (name: string, window: string): string =>
  `migration/${name}/databricks/${window}`;

/** The id of the workflow that hands out the slots of a pipeline with a limit on its runs. */
export const slotsWorkflowId = (pipeline: string): string => `slots/${pipeline}`;

/** The id of the workflow that remembers that a signed request was accepted. */
export const requestWorkflowId = (fingerprint: string): string => `request/${fingerprint}`;

/** The id of the workflow that remembers that an alert was told in a channel. */
export const alertWorkflowId = (fingerprint: string): string => `alert/${fingerprint}`;
