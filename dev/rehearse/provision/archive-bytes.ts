// One made-up file as an archive that holds it: zip, tar, or tar and gzip.
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';

const BLOCK = 512;

/** `kind` is zipdeflate, tar or targzip. */
export function archived(bytes: Buffer, name: string, kind: string): Buffer {
  if (kind === 'zipdeflate') return Buffer.from(zipSync({ [name]: bytes }));
  const tar = tarred(bytes, name);
  return kind === 'targzip' ? gzipSync(tar) : tar;
}

/** ustar (POSIX.1-1988): a header, the bytes to the end of their block, two empty blocks. */
function tarred(bytes: Buffer, name: string): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(name.slice(0, 99), 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\0', 257);
  header.write('00', 263);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK);
  return Buffer.concat([header, bytes, padding, Buffer.alloc(2 * BLOCK)]);
}
