// Settings of a FileServer linked service: `host` is the folder below which all its files lie.
import { isAbsolute, resolve } from 'node:path';
import { WaybillError } from '../../core/errors.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';
import { textSetting } from '../common/settings.ts';

export interface FileSystemConfig {
  /** Absolute. */
  readonly root: string;
}

/** ADF's `host` is a folder of the self-hosted machine ("/data", "C:\\data"); here it is one of every worker's machine. */
export const fileSystemConfig = (service: ConnectedLinkedService): FileSystemConfig => {
  const host = textSetting(service.properties, 'host');
  if (host === undefined || host.includes('\0')) {
    throw new WaybillError(
      'SETTINGS_INVALID',
      `Linked service ${service.name} names no folder as its host.`,
      {
        linkedService: service.name,
      },
    );
  }
  if (host.startsWith('\\\\')) {
    throw new WaybillError(
      'SETTINGS_INVALID',
      `Linked service ${service.name}: the share ${host} must be mounted; set host to the folder where it is.`,
      { linkedService: service.name },
    );
  }
  if (!isAbsolute(host)) {
    throw new WaybillError(
      'SETTINGS_INVALID',
      `Linked service ${service.name}: host "${host}" is not an absolute path of a folder.`,
      { linkedService: service.name },
    );
  }
  return { root: resolve(host) };
};
