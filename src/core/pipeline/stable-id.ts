// Ids that are a function of what they name: the same activity of the same run has the same id whoever computes it.

const PRIME = 0x0000000001000000000000000000013bn;
const OFFSET = 0x6c62272e07bb014262b821756295c58dn;
const MASK = (1n << 128n) - 1n;

/** 32 hexadecimal digits: FNV-1a of 128 bits over the text's UTF-16 units. Not for secrets. */
export function stableHash(text: string): string {
  let hash = OFFSET;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    hash = ((hash ^ BigInt(unit & 0xff)) * PRIME) & MASK;
    hash = ((hash ^ BigInt(unit >> 8)) * PRIME) & MASK;
  }
  return hash.toString(16).padStart(32, '0');
}

/** A GUID as Data Factory's ids have its form: made from names, marked as version 8 (RFC 9562: custom). */
export function stableGuid(...names: readonly string[]): string {
  const hex = stableHash(JSON.stringify(names));
  const variant = ((Number.parseInt(hex[16] as string, 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20),
  ].join('-');
}
