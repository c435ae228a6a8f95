// Where files pass between waybill and Snowflake: an internal stage, or a folder of S3 or Azure that both can reach.

export interface StagedFile {
  /** Name below the copy's own folder: "out-1/data_0_0_0.csv.gz". */
  readonly name: string;
}

export interface StoredFile extends StagedFile {
  /** Bytes as stored. */
  readonly bytes: number;
  /** Resolves once Snowflake can see the file. */
  readonly stored: Promise<void>;
}

/** The staging place of one copy. Everything may be repeated. */
export interface Staging {
  prepare(): Promise<void>;
  /** What COPY INTO writes to or reads from: the copy's folder, or a folder below it that ends with a slash. */
  location(folder: string): string;
  /** Options that let Snowflake into the location, with a blank before them; "" for its own stage. */
  readonly access: string;
  /** Writes a file of that name, replacing what an earlier attempt left. Resolves once `bytes` are taken. */
  write(name: string, bytes: AsyncIterable<Buffer>): Promise<StoredFile>;
  /** Files of a folder, by name. */
  list(folder: string): Promise<StagedFile[]>;
  /** Brings a file near; its bytes are read from what it resolves to, once. */
  open(file: StagedFile): Promise<AsyncIterable<Buffer>>;
  remove(folder: string): Promise<void>;
  /** Removes everything of the copy, here and there. */
  removeAll(): Promise<void>;
  close(): Promise<void>;
}
