// How a Binary dataset's files are packed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packingOf } from '../../src/connectors/common/files/packing.ts';
import type { JsonObject } from '../../src/core/json.ts';

test('compressionCodec says nothing of a Binary dataset, but of one made of an older dataset', () => {
  const codec = (dataset: JsonObject): string => packingOf(dataset, {}).compression.codec;
  assert.equal(codec({ compressionCodec: 'snappy', compressionLevel: 'Fastest' }), 'none');
  assert.equal(codec({ compression: { type: 'gzip' } }), 'gzip');
  assert.equal(codec({ formatless: true, compressionCodec: 'gzip' }), 'gzip');
});
