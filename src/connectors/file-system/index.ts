// Folders of this machine, or mounted on every worker's: files that appear by rename.
import { fileConnector } from '../common/files/file-connector.ts';
import type { Connector } from '../connector.ts';
import { fileSystemOpener } from './opener.ts';

export const fileSystem: Connector = fileConnector(fileSystemOpener);
