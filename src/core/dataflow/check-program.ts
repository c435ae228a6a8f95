// Finds what is wrong in a data flow's program, and what of it waybill does not run: all at once, each with its line.
import { nearestName } from '../nearest-name.ts';
import { optionOf, walkNodes } from './options.ts';
import { FUNCTIONS, OPERATORS, OPTIONS, PARTS, TRANSFORMATIONS } from './supported.ts';
import type { Node, Program, Stream } from './syntax.ts';

export interface ProgramProblem {
  /** `unsupported`: sound, but waybill has it not. `invalid`: Data Factory would not run it either. */
  readonly kind: 'invalid' | 'unsupported';
  readonly reason: string;
  /** Of the script, from 1. */
  readonly line: number;
}

/** How many streams a transformation takes: least and most. */
const INPUTS: Readonly<Record<string, readonly [number, number]>> = {
  source: [0, 0],
  join: [2, 2],
  exists: [2, 2],
  lookup: [2, 2],
  union: [1, 100],
};

const functions = new Set(FUNCTIONS.map((name) => name.toLowerCase()));
const transformations = new Set(TRANSFORMATIONS);

export function checkProgram(program: Program): ProgramProblem[] {
  const problems: ProgramProblem[] = [];
  const byName = new Map<string, Stream>();
  for (const stream of program.streams) {
    if (byName.has(stream.name)) problems.push(invalid(stream, `Two streams are named "${stream.name}".`));
    byName.set(stream.name, stream);
  }
  const parameters = new Set(program.parameters.map(({ name }) => name));
  for (const stream of program.streams) {
    checkInputs(stream, byName, problems);
    if (!transformations.has(stream.transformation)) {
      problems.push(
        unsupported(
          stream.line,
          `The transformation "${stream.transformation}" of "${stream.name}" is not run.`,
        ),
      );
      continue;
    }
    checkOptions(stream, problems);
    checkExpressions(stream, parameters, problems);
  }
  const cycle = cycleIn(byName);
  if (cycle !== undefined) problems.push(invalid(cycle, `"${cycle.name}" is among its own inputs.`));
  if (!program.streams.some(({ transformation }) => transformation === 'sink'))
    problems.push({ kind: 'invalid', reason: 'The data flow has no sink.', line: 1 });
  return problems;
}

const invalid = ({ line }: { line: number }, reason: string): ProgramProblem => ({
  kind: 'invalid',
  reason,
  line,
});

const unsupported = (line: number, reason: string): ProgramProblem => ({ kind: 'unsupported', reason, line });

function checkInputs(stream: Stream, byName: ReadonlyMap<string, Stream>, problems: ProgramProblem[]): void {
  const [least, most] = INPUTS[stream.transformation] ?? [1, 1];
  const count = stream.inputs.length;
  if (transformations.has(stream.transformation) && (count < least || count > most))
    problems.push(
      invalid(
        stream,
        `"${stream.name}" (${stream.transformation}) has ${count} input streams; ${least} are needed.`,
      ),
    );
  for (const { stream: name, output } of stream.inputs) {
    const input = byName.get(name);
    if (input === undefined) {
      const near = nearestName(name, [...byName.keys()]);
      problems.push(
        invalid(
          stream,
          `"${stream.name}" reads the stream "${name}", which is not there.${near === undefined ? '' : ` The nearest name is "${near}".`}`,
        ),
      );
    } else if (output !== null && !input.outputs.includes(output)) {
      problems.push(invalid(stream, `"${name}" has no branch "${output}", which "${stream.name}" reads.`));
    } else if (output === null && input.outputs.length > 1) {
      problems.push(invalid(stream, `"${stream.name}" reads "${name}", but names none of its branches.`));
    }
  }
}

/** Whether a value of an option switches it off: it then changes nothing, whatever it is. */
const isOff = (node: Node): boolean =>
  (node.type === 'literal' && (node.value === false || node.value === '' || node.value === null)) ||
  (node.type === 'list' && node.items.length === 0);

function checkOptions(stream: Stream, problems: ProgramProblem[]): void {
  const { transformation, name, line } = stream;
  const known = OPTIONS[transformation];
  for (const argument of stream.arguments) {
    if (argument.type !== 'entry' || known === undefined || known.includes(argument.key)) continue;
    if (!isOff(argument.value))
      problems.push(
        unsupported(line, `The option "${argument.key}" of the ${transformation} "${name}" is not honoured.`),
      );
  }
  if (transformation !== 'sink') return;
  const handling = optionOf(stream, 'errorHandlingOption');
  if (handling?.type === 'literal' && handling.value !== 'stopOnFirstError')
    problems.push(
      unsupported(
        line,
        `The sink "${name}" goes on after errors ("${handling.value}"), which waybill does not.`,
      ),
    );
}

function checkExpressions(stream: Stream, parameters: ReadonlySet<string>, problems: ProgramProblem[]): void {
  const parts = new Set(PARTS[stream.transformation] ?? ['partitionBy']);
  const told = new Set<string>();
  const visit = (node: Node): void => {
    if (node.type === 'parameter' && !parameters.has(node.name) && !told.has(node.name)) {
      told.add(node.name);
      problems.push(
        invalid(stream, `The data flow has no parameter "${node.name}", which "${stream.name}" uses.`),
      );
    }
    if (node.type !== 'call' || parts.has(node.name) || OPERATORS.has(node.name)) return;
    if (node.name === '?' || functions.has(node.name.toLowerCase()) || told.has(node.name)) return;
    told.add(node.name);
    problems.push(
      unsupported(node.line, `The data flow function "${node.name}" in "${stream.name}" is not run.`),
    );
  };
  for (const argument of stream.arguments) walkNodes(argument, visit);
}

/** A stream that reads itself by way of others. */
function cycleIn(byName: ReadonlyMap<string, Stream>): Stream | undefined {
  const state = new Map<string, 'open' | 'done'>();
  for (const first of byName.keys()) {
    // With a stack of its own: a chain of two thousand streams is no reason to fail.
    const stack: string[] = [first];
    while (stack.length > 0) {
      const name = stack.at(-1) as string;
      const stream = byName.get(name);
      if (state.get(name) !== undefined || stream === undefined) {
        if (state.get(name) === 'open') state.set(name, 'done');
        stack.pop();
        continue;
      }
      state.set(name, 'open');
      for (const { stream: input } of stream.inputs) {
        if (state.get(input) === 'open') return stream;
        if (state.get(input) === undefined) stack.push(input);
      }
    }
  }
  return undefined;
}
