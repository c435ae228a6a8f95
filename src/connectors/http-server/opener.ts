// Opens the resource that an HttpServerLocation names below an HttpServer linked service's url.

import type { FileOpener } from '../common/files/file-opener.ts';
import { httpService } from '../common/http/authentication.ts';
import { textSetting } from '../common/settings.ts';
import { HttpStore } from './store.ts';

export const httpServerOpener: FileOpener = {
  store: 'HTTP',
  containerKeys: [],
  open: async (service, _container, signal, { location = {}, settings = {} }) =>
    new HttpStore(
      await httpService(service, signal),
      textSetting(location, 'relativeUrl') ?? '',
      settings,
      signal,
    ),
};
