// The queries and signals of a pipeline's run, and those between it and the workflow that hands out slots.
import { defineQuery, defineSignal } from '@temporalio/workflow';
import type { JsonObject } from '../core/json.ts';
import type { EarlierRun } from '../core/pipeline/rerun.ts';
import type { SlotRequest } from '../core/pipeline/slots.ts';
import type { PipelineProgress } from '../core/run.ts';

export const pipelineProgressQuery = defineQuery<PipelineProgress>('progress');

/** What a rerun has to know of this run; also of one that has closed. */
export const resumeQuery = defineQuery<EarlierRun | JsonObject>('resume');

/** To a run: its slot is there. */
export const slotGrantedSignal = defineSignal('slotGranted');

/** To `pipelineSlots`: a run wants a slot. Asking again is harmless. */
export const requestSlotSignal = defineSignal<[SlotRequest]>('requestSlot');

/** To `pipelineSlots`: a run needs its slot, or its place in the queue, no longer. */
export const releaseSlotSignal = defineSignal<[string]>('releaseSlot');
