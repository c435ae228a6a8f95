// The order-independent content checksum: a sum over rows of 64 bits of each row's MD5.
import { createHash, hash } from 'node:crypto';

const HIGH = 4_294_967_296n;
/** Low halves add up exactly in a double for 2^21 rows; carry well before that. */
const CARRY_EVERY = 1_000_000;

/**
 * The digest as a string of sixteen one-byte characters, which costs the collector less than a Buffer per row.
 * `crypto.hash` (Node >= 20.12) saves the hash object too. MD5 serves as a checksum here, not as a secret.
 */
const md5: (text: string) => string =
  typeof hash === 'function'
    ? (text) => hash('md5', text, 'binary')
    : (text) => createHash('md5').update(text, 'utf8').digest('binary');

/** Four bytes of `digest`, big endian, unsigned. */
const half = (digest: string, at: number): number =>
  ((digest.charCodeAt(at) * 256 + digest.charCodeAt(at + 1)) * 256 + digest.charCodeAt(at + 2)) * 256 +
  digest.charCodeAt(at + 3);

/** Adds up the unsigned upper 64 bits of MD5(UTF-8 text) exactly; the same sum in SQL gives the same digits. */
export class ChecksumSum {
  #total = 0n;
  #high = 0;
  #low = 0;
  #rows = 0;

  add(text: string): void {
    const digest = md5(text);
    this.#high += half(digest, 0);
    this.#low += half(digest, 4);
    if (++this.#rows === CARRY_EVERY) this.#carry();
  }

  /** Decimal digits of the sum so far. */
  total(): string {
    this.#carry();
    return this.#total.toString();
  }

  #carry(): void {
    this.#total += BigInt(this.#high) * HIGH + BigInt(this.#low);
    this.#high = 0;
    this.#low = 0;
    this.#rows = 0;
  }
}
