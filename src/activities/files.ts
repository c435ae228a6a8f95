// The activities that look at stores of files and remove files: GetMetadata, Validation, Delete.
import type { TaskActivity } from '../core/pipeline/task.ts';
import { deleteFiles } from './files/delete.ts';
import { getMetadata } from './files/get-metadata.ts';
import type { FileDependencies } from './files/place.ts';
import { validation } from './files/validation.ts';
import { asTask } from './task.ts';

export interface FileActivities {
  performGetMetadata: TaskActivity;
  performValidation: TaskActivity;
  performDelete: TaskActivity;
}

export const createFileActivities = (dependencies: FileDependencies): FileActivities => ({
  performGetMetadata: asTask((input) => getMetadata(dependencies, input)),
  performValidation: asTask((input) => validation(dependencies, input)),
  performDelete: asTask((input) => deleteFiles(dependencies, input)),
});
