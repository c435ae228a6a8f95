// Which sources and sinks of a data flow's program are at work, and whether rows reach a sink with actions.
import type { Program, Stream } from './syntax.ts';

/** The streams of one kind, in script order. */
export const streamsOf = (program: Program, transformation: 'source' | 'sink'): Stream[] =>
  program.streams.filter((stream) => stream.transformation === transformation);

/** Every stream that the stream is made of, nearest first. */
function upstream(program: Program, stream: Stream): Stream[] {
  const byName = new Map(program.streams.map((one) => [one.name, one]));
  const seen = new Set<Stream>();
  const queue = [...stream.inputs];
  for (let input = queue.shift(); input !== undefined; input = queue.shift()) {
    const found = byName.get(input.stream);
    if (found === undefined || seen.has(found)) continue;
    seen.add(found);
    queue.push(...found.inputs);
  }
  return [...seen];
}

/** Whether an alterRow is among what the stream is made of. */
export const isAltered = (program: Program, stream: Stream): boolean =>
  upstream(program, stream).some(({ transformation }) => transformation === 'alterRow');

/** Names of the sources that a stream's rows come from. */
export const sourcesOf = (program: Program, stream: Stream): string[] =>
  upstream(program, stream)
    .filter(({ transformation }) => transformation === 'source')
    .map(({ name }) => name);
