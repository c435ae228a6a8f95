// Files of HTTP servers, one by one, to read from.
import { WaybillError } from '../../core/errors.ts';
import { fileConnector } from '../common/files/file-connector.ts';
import type { Connector } from '../connector.ts';
import { httpServerOpener } from './opener.ts';

export const httpServer: Connector = {
  ...fileConnector(httpServerOpener),
  async openSink() {
    throw new WaybillError(
      'DEFINITION_UNSUPPORTED',
      'HTTP servers are read from; nothing is written to them.',
    );
  },
};
