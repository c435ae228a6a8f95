// The updates and queries of migrateToDatabricks.
import { defineQuery, defineUpdate } from '@temporalio/workflow';
import {
  type ApproveRequest,
  type DeclineRequest,
  MIGRATION,
  type MigrationStatus,
} from '../core/migration.ts';

export const migrationStatusQuery = defineQuery<MigrationStatus>(MIGRATION.status);
export const approveUpdate = defineUpdate<MigrationStatus, [ApproveRequest]>(MIGRATION.approve);
export const rejectUpdate = defineUpdate<MigrationStatus, [DeclineRequest]>(MIGRATION.reject);
export const rollBackUpdate = defineUpdate<MigrationStatus, [DeclineRequest]>(MIGRATION.rollBack);
export const addWindowUpdate = defineUpdate<MigrationStatus, [{ window: string }]>(MIGRATION.addWindow);
export const compareUpdate = defineUpdate<MigrationStatus, [{ window: string }]>(MIGRATION.compare);
export const resumeUpdate = defineUpdate<MigrationStatus>(MIGRATION.resume);
