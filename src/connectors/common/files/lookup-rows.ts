// The rows of a dataset of files as JSON, for Lookup activities: objects as they are, columns by their types.
import type { JsonObject } from '../../../core/json.ts';
import { jsonValue, memberNames, rowObject } from '../json-values.ts';
import type { FileDataset } from './file-dataset.ts';
import { FilesSource } from './files-source.ts';
import { findFiles } from './find-files.ts';

/** In the order of files and of rows in them. Throws OBJECT_MISSING, FILE_INVALID and what the store throws. */
export async function* lookupRows(dataset: FileDataset): AsyncGenerator<JsonObject> {
  const { store, format } = dataset;
  if (format.objects !== undefined) {
    for (const file of (await findFiles(dataset)).files)
      yield* format.objects(await store.open(file.key, file.etag));
    return;
  }
  const source = new FilesSource(dataset);
  const columns = await source.columns();
  const names = memberNames(columns.map(({ name }) => name));
  for await (const rows of source.read(columns, { lower: null, upper: null }, {})) {
    for (const row of rows)
      yield rowObject(
        names,
        columns.map((column, i) => jsonValue(column, row[i] ?? null)),
      );
  }
}
