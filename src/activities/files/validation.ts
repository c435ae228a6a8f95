// Validation: one look at whether a dataset's file or folder is there and as wanted. The workflow waits between looks.
import { booleanSetting, textSetting } from '../../connectors/common/settings.ts';
import { keepsFiles } from '../../connectors/file-stores.ts';
import { WaybillError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json.ts';
import { requiredDataset, type TaskInput, type TaskResult } from '../../core/pipeline/task.ts';
import { VALID } from '../../core/pipeline/validation.ts';
import { childItems, type FoundItem, findItem, storeField } from './file-metadata.ts';
import { getMetadata } from './get-metadata.ts';
import { type FileDependencies, withFiles } from './place.ts';

/** The output says under `VALID` whether the look was good. */
export async function validation(dependencies: FileDependencies, input: TaskInput): Promise<TaskResult> {
  const dataset = requiredDataset(input);
  const { name, parameters } = dataset.linkedService;
  const { type } = await dependencies.resolveLinkedService(name, parameters);
  if (!keepsFiles(type)) {
    const fields = { ...input.typeProperties, fieldList: ['exists'] };
    const { output } = await getMetadata(dependencies, { ...input, typeProperties: fields });
    return { output: { ...output, [VALID]: output['exists'] === true } };
  }
  return withFiles(dependencies, dataset, input.typeProperties, async (place) => {
    const item = await findItem(place);
    if (item === undefined) return { output: { exists: false, [VALID]: false } };
    const output: Record<string, JsonObject[string]> = { exists: true };
    for (const field of ['itemName', 'itemType', ...(item.type === 'File' ? ['size', 'lastModified'] : [])])
      output[field] = await storeField(place, item, field);
    const children = item.type === 'Folder' ? childItems(place, item.children) : [];
    if (item.type === 'Folder') output['childItems'] = children;
    return { output: { ...output, [VALID]: passes(input.typeProperties, item, children.length) } };
  });
}

/** `minimumSize` (bytes) is asked of files, `childItems` of folders: true for one that holds something, false for an empty one. */
function passes(properties: JsonObject, item: FoundItem, children: number): boolean {
  if (item.type === 'File') {
    const least = Number(textSetting(properties, 'minimumSize') ?? 0);
    if (!Number.isFinite(least) || least < 0)
      throw new WaybillError('DEFINITION_INVALID', '"minimumSize" is not a number of bytes.');
    return item.file.bytes >= least;
  }
  const wanted = booleanSetting(properties, 'childItems');
  return wanted === undefined || wanted === children > 0;
}
