// The connector that all stores of files share: a source and a sink over whatever a store opens.
import { WaybillError } from '../../../core/errors.ts';
import type { JsonObject } from '../../../core/json.ts';
import type { Connector } from '../../connector.ts';
import { booleanSetting, requireInsert } from '../settings.ts';
import { openDataset } from './file-dataset.ts';
import type { FileOpener } from './file-opener.ts';
import { FilesSink } from './files-sink.ts';
import { FilesSource } from './files-source.ts';
import { lookupRows } from './lookup-rows.ts';

export const fileConnector = (opener: FileOpener): Connector => ({
  readingLeavesFiles: false,
  async openSource(context) {
    const dataset = await openDataset(opener, context);
    refuseDeleting(dataset.storeSettings);
    return new FilesSource(dataset, context);
  },
  async *lookUp(context) {
    const dataset = await openDataset(opener, context);
    try {
      yield* lookupRows(dataset);
    } finally {
      await dataset.store.close();
    }
  },
  async openSink(context) {
    requireInsert(context.endpoint.settings);
    return new FilesSink(await openDataset(opener, context));
  },
});

/** As in ADF, only copies of files as they are (Binary) may delete what they read; those do not exist here yet. */
const refuseDeleting = (storeSettings: JsonObject): void => {
  if (booleanSetting(storeSettings, 'deleteFilesAfterCompletion') !== true) return;
  throw new WaybillError(
    'DEFINITION_UNSUPPORTED',
    'deleteFilesAfterCompletion is for binary copies only: delete the files by an activity after the copy.',
  );
};
