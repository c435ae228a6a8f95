// The checksum of a Parquet file's content as stored: made once while encoding and once from the stored bytes.
import { crc32 } from 'node:zlib';

/**
 * Sum over column chunks and the footer of a CRC-32 each, in any order. A chunk's takes in where it stands and its page
 * headers; these hold each page's CRC, length and row count, so equal sums mean equal pages, provided that whoever adds
 * a header has compared its CRC with the page.
 */
export class PartChecksum {
  #total = 0n;

  addChunk(group: number, column: number, headers: readonly Uint8Array[]): void {
    let crc = crc32(`${group}/${column}`);
    for (const header of headers) crc = crc32(header, crc);
    this.#total += BigInt(crc);
  }

  addFooter(footer: Uint8Array): void {
    this.#total += BigInt(crc32(footer));
  }

  /** Decimal digits. */
  total(): string {
    return this.#total.toString();
  }
}
