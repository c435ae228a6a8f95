// The signals, updates and queries of triggers' workflows.
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import {
  CANCEL_WINDOWS,
  CONFIGURE,
  type ConfigureTrigger,
  EDIT,
  HAVE_SUCCEEDED,
  RERUN_WINDOWS,
  type TriggerMemo,
  type TumblingWindowView,
  WATCH_WINDOWS,
  WINDOWS,
  WINDOWS_CHANGED,
  type WindowSpan,
} from '../core/trigger/messages.ts';

export const configureSignal = defineSignal<[ConfigureTrigger]>(CONFIGURE);
export const editUpdate = defineUpdate<TriggerMemo, [ConfigureTrigger]>(EDIT);
export const rerunWindowsUpdate = defineUpdate<string[], [WindowSpan]>(RERUN_WINDOWS);
export const cancelWindowsUpdate = defineUpdate<string[], [WindowSpan]>(CANCEL_WINDOWS);
export const watchWindowsSignal = defineSignal<[string]>(WATCH_WINDOWS);
export const windowsChangedSignal = defineSignal(WINDOWS_CHANGED);
export const windowsQuery = defineQuery<TumblingWindowView>(WINDOWS);
export const haveSucceededQuery = defineQuery<boolean[], [{ from: number; to: number }[]]>(HAVE_SUCCEEDED);
