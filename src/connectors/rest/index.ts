// REST endpoints that answer with JSON, to read from.
import { jsonMapping } from '../../core/copy/json-mapping.ts';
import { WaybillError } from '../../core/errors.ts';
import { jsonText } from '../common/files/json-text.ts';
import { httpService } from '../common/http/authentication.ts';
import type { Connector, EndpointContext } from '../connector.ts';
import { RestSource } from './source.ts';

const openRest = async (context: EndpointContext): Promise<RestSource> => {
  const { endpoint, linkedService, signal, translator, asDocuments } = context;
  const mapping = jsonMapping(translator, endpoint.settings);
  const format = jsonText({}, {}, { mapping, asDocuments: asDocuments === true });
  return new RestSource(await httpService(linkedService, signal), format, context);
};

export const rest: Connector = {
  readingLeavesFiles: false,
  openSource: openRest,
  async *lookUp(context) {
    yield* (await openRest(context)).objects();
  },
  async openSink() {
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      'REST endpoints are read from; nothing is written to them.',
    );
  },
};
