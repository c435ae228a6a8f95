// Staging in S3 or Azure as ADF's stagingSettings name it: Snowflake unloads to and loads from the folder itself, waybill
// writes and reads the same files through the store's own client.
import { WaybillError } from '../../core/errors.ts';
import type { ConnectedLinkedService } from '../../core/linked-service.ts';
import type { OpenFolder } from '../common/files/file-opener.ts';
import { copyKey } from '../common/identifier.ts';
import { textSetting } from '../common/settings.ts';
import { literal } from './dialect.ts';
import type { StagedFile, Staging, StoredFile } from './staging.ts';

/** How Snowflake is told of a store: the address of a container, and what lets it in. */
export interface ExternalPlace {
  /** "s3://bucket/" or "azure://account.blob.core.windows.net/container/". */
  readonly address: string;
  /** " STORAGE_INTEGRATION = X" or " CREDENTIALS = (...)"; "" for a public place. */
  readonly access: string;
  /** Texts within `access` that nobody may see. */
  readonly secrets: readonly string[];
}

export class ExternalStage implements Staging {
  readonly access: string;
  readonly #place: ExternalPlace;
  readonly #folder: OpenFolder;
  /** Prefix of the copy's keys within the container. */
  readonly #prefix: string;

  constructor(place: ExternalPlace, folder: OpenFolder, copyId: string) {
    this.#place = place;
    this.access = place.access;
    this.#folder = folder;
    this.#prefix = `${folder.folder === '' ? '' : `${folder.folder}/`}_waybill/${copyKey(copyId)}/`;
  }

  async prepare(): Promise<void> {}

  location(folder: string): string {
    return literal(`${this.#place.address}${this.#prefix}${folder}`);
  }

  async write(name: string, bytes: AsyncIterable<Buffer>): Promise<StoredFile> {
    const written = await this.#folder.store.write(`${this.#prefix}${name}`, bytes, {
      contentType: 'application/gzip',
      // What COPY loads is counted and hashed again in the table.
      verify: false,
    });
    return { name, bytes: written.bytes, stored: Promise.resolve() };
  }

  async list(folder: string): Promise<StagedFile[]> {
    const files: StagedFile[] = [];
    for await (const { key } of this.#folder.store.list(`${this.#prefix}${folder}`)) {
      files.push({ name: key.slice(this.#prefix.length) });
    }
    return files;
  }

  async open({ name }: StagedFile): Promise<AsyncIterable<Buffer>> {
    return (await this.#folder.store.open(`${this.#prefix}${name}`)).stream();
  }

  async remove(folder: string): Promise<void> {
    for (const { name } of await this.list(folder)) {
      await this.#folder.store.remove(`${this.#prefix}${name}`);
    }
  }

  async removeAll(): Promise<void> {
    await this.#folder.store.abortUploads(this.#prefix, () => true);
    await this.remove('');
  }

  async close(): Promise<void> {
    await this.#folder.store.close();
  }
}

/**
 * What Snowflake needs to reach the staging store: the storage integration that import- or exportSettings name, else
 * the keys of the linked service itself. Throws SETTINGS_INVALID where there is neither.
 */
export const externalPlace = (
  service: ConnectedLinkedService,
  path: string,
  integration: string | undefined,
): ExternalPlace => {
  const container = path.split('/').find((part) => part !== '') ?? '';
  if (service.type === 'AmazonS3') return s3Place(service, container, integration);
  if (service.type === 'AzureBlobStorage') return azurePlace(service, container, integration);
  throw new WaybillError(
    'DEFINITION_UNSUPPORTED',
    `Staging for Snowflake through ${service.name} (${service.type}) is not supported; use AmazonS3 or AzureBlobStorage.`,
    { type: service.type },
  );
};

const byIntegration = (integration: string): Pick<ExternalPlace, 'access' | 'secrets'> => {
  if (!/^[A-Za-z_][\w$]*$/.test(integration)) {
    throw new WaybillError('DEFINITION_INVALID', 'storageIntegration is not the name of an integration.', {
      key: 'storageIntegration',
    });
  }
  return { access: ` STORAGE_INTEGRATION = ${integration}`, secrets: [] };
};

const notReachable = (service: ConnectedLinkedService, needs: string): WaybillError =>
  new WaybillError(
    'SETTINGS_INVALID',
    `Snowflake cannot reach the staging store ${service.name}: give it ${needs}, or name a storageIntegration.`,
    { linkedService: service.name },
  );

const s3Place = (
  service: ConnectedLinkedService,
  bucket: string,
  integration: string | undefined,
): ExternalPlace => {
  const address = `s3://${bucket}/`;
  if (integration !== undefined) return { address, ...byIntegration(integration) };
  const key = textSetting(service.properties, 'accessKeyId');
  const secret = textSetting(service.properties, 'secretAccessKey');
  const token = textSetting(service.properties, 'sessionToken');
  if (key === undefined || secret === undefined) {
    throw notReachable(service, 'an accessKeyId and a secretAccessKey');
  }
  const session = token === undefined ? '' : ` AWS_TOKEN = ${literal(token)}`;
  return {
    address,
    access: ` CREDENTIALS = (AWS_KEY_ID = ${literal(key)} AWS_SECRET_KEY = ${literal(secret)}${session})`,
    secrets: [key, secret, ...(token === undefined ? [] : [token])],
  };
};

/** As in ADF, the linked service signs by a shared access signature where no integration is named. */
const azurePlace = (
  service: ConnectedLinkedService,
  container: string,
  integration: string | undefined,
): ExternalPlace => {
  const text = (key: string): string | undefined => textSetting(service.properties, key);
  const pairs = new Map(
    (text('connectionString') ?? '').split(';').map((pair) => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at).trim().toLowerCase(), pair.slice(at + 1).trim()] as const;
    }),
  );
  const [uri = '', query] = (text('sasUri') ?? '').split('?');
  const account = pairs.get('accountname');
  const endpoint =
    text('serviceEndpoint') ??
    (uri === '' ? undefined : uri) ??
    pairs.get('blobendpoint') ??
    (account === undefined
      ? undefined
      : `https://${account}.blob.${pairs.get('endpointsuffix') ?? 'core.windows.net'}`);
  if (endpoint === undefined) throw notReachable(service, 'a sasUri');
  const address = `azure://${blobHost(endpoint)}/${container}/`;
  if (integration !== undefined) return { address, ...byIntegration(integration) };
  const sas = (query ?? text('sasToken') ?? pairs.get('sharedaccesssignature'))?.replace(/^\?/, '');
  if (sas === undefined) throw notReachable(service, 'a sasUri (a shared access signature)');
  return {
    address,
    access: ` CREDENTIALS = (AZURE_SAS_TOKEN = ${literal(`?${sas}`)})`,
    secrets: [sas],
  };
};

/** "acct.blob.core.windows.net"; an emulator has the account in its path, Snowflake always in the host name. */
const blobHost = (endpoint: string): string => {
  const url = new URL(/^https?:\/\//i.test(endpoint) ? endpoint : `https://${endpoint}`);
  const emulated = /^[\d.]+$|^localhost$/.test(url.hostname);
  const account = url.pathname.split('/')[1] ?? '';
  return emulated ? `${account}.blob.core.windows.net` : url.host;
};
