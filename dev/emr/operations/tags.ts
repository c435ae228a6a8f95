// Operations on a cluster's tags.
import { z } from 'zod';
import { tag } from '../shapes.ts';
import { parseInput } from '../validation.ts';
import type { Operation } from './context.ts';

export const tagOperations: Record<string, Operation> = {
  AddTags(input, { store, life }) {
    const { ResourceId, Tags } = parseInput(z.object({ ResourceId: z.string(), Tags: z.array(tag) }), input);
    const record = store.cluster(ResourceId);
    const added = new Set(Tags.map(({ Key }) => Key));
    record.view.Tags = [...record.view.Tags.filter(({ Key }) => !added.has(Key)), ...Tags];
    life(record).settingsChanged();
    return {};
  },

  RemoveTags(input, { store, life }) {
    const shape = z.object({ ResourceId: z.string(), TagKeys: z.array(z.string()) });
    const { ResourceId, TagKeys } = parseInput(shape, input);
    const record = store.cluster(ResourceId);
    record.view.Tags = record.view.Tags.filter(({ Key = '' }) => !TagKeys.includes(Key));
    life(record).settingsChanged();
    return {};
  },
};
