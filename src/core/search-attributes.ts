// The search attributes that every waybill workflow sets. `waybill dev up` and docs/operations.md create them.

export const SEARCH_ATTRIBUTES = {
  /** Keyword: the pipeline or lakehouse definition's name. */
  pipeline: 'WaybillPipeline',
  /** Keyword: what started the run: a trigger's name, or "client". */
  trigger: 'WaybillTrigger',
  /** Datetime: start of the window the run is for. */
  windowStart: 'WaybillWindowStart',
  /** Keyword: the stage in progress (copy, ingest, process, load, optimize). */
  stage: 'WaybillStage',
} as const;

/** WaybillStage of a copy whose clean-up failed. */
export const LEFT_BEHIND = 'left-behind';

/** The one task queue of a plain installation. */
export const DEFAULT_TASK_QUEUE = 'waybill';
