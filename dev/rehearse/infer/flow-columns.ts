// Which columns each stream of a data flow has, as far as its script tells: names, and kinds where they are plain.
import { partOf } from '../../../src/core/dataflow/options.ts';
import type { Node, Program, Stream, Typed } from '../../../src/core/dataflow/syntax.ts';
import { kindOfType, type NamedColumn } from '../columns.ts';
import type { ColumnKind } from '../needs.ts';

/** The columns that a list of typed names declares; nested ones are left out. */
export const typedColumns = (nodes: readonly Node[] | undefined): NamedColumn[] =>
  (nodes ?? []).flatMap((node): NamedColumn[] =>
    node.type === 'typed' && node.fields === null && !node.array && node.name !== ''
      ? [{ name: node.name, kind: kindOfFlowType(node), isKnown: true }]
      : [],
  );

const kindOfFlowType = ({ as }: Typed): ColumnKind =>
  as === 'byte' || as === 'short' || as === 'integer' || as === 'long' ? 'integer' : kindOfType(as);

/** What functions give, where their name tells. */
const GIVES: readonly (readonly [RegExp, ColumnKind])[] = [
  [
    /^(toDate|toTimestamp|toUTC|fromUTC|current\w+|add(Days|Months)|sub(Days|Months)|lastDayOfMonth)$/i,
    'date',
  ],
  [
    /^(toInteger|toLong|toShort|count\w*|length|year|month|day\w+|hour|minute|second|rowNumber|rank|denseRank|crc32|locate|instr|monthsBetween)$/i,
    'integer',
  ],
  [/^(toDecimal|toFloat|toDouble|sum\w*|avg\w*|round|\/)$/i, 'number'],
  [/^(true|false|toBoolean|is[A-Z]\w*|equals|notEquals|not|and|or|in|==|!=|<|>|<=|>=|&&|\|\||!)$/, 'boolean'],
];

/** More streams than any script has in a row. */
const MAX_STREAMS = 200;

/** The column that a mapping takes under this name as it is: renamed, by its own name, or by a rule for all. */
function plainColumn(mapped: readonly Node[], column: string): string | undefined {
  for (const node of mapped) {
    if (node.type === 'column' && same(node.name, column)) return node.name;
    if (node.type === 'assign' && node.target.type === 'column' && same(node.target.name, column))
      return node.value.type === 'column' ? node.value.name : undefined;
  }
  return mapped.some(({ type }) => type === 'call') ? column : undefined;
}

export class FlowColumns {
  readonly #program: Program;
  readonly #known = new Map<string, readonly NamedColumn[]>();
  readonly #sources: ReadonlyMap<string, readonly NamedColumn[]>;

  /** `sources` are the columns of sources that declare none themselves. */
  constructor(program: Program, sources: ReadonlyMap<string, readonly NamedColumn[]>) {
    this.#program = program;
    this.#sources = sources;
  }

  of(name: string): readonly NamedColumn[] {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    // A stream among its own inputs has been reported; here it ends the search.
    this.#known.set(name, []);
    const stream = this.#program.streams.find((one) => one.name === name);
    const columns = stream === undefined ? [] : this.#columns(stream);
    this.#known.set(name, columns);
    return columns;
  }

  /** What reaches the sink's store: as mapped, else all that its input has. */
  written(sink: Stream): readonly NamedColumn[] {
    const input = this.of(sink.inputs[0]?.stream ?? '');
    const mapped = partOf(sink, 'mapColumn');
    return mapped === undefined ? input : this.#mapped(mapped, input);
  }

  /** The column of a source that a column of a stream, or of what a sink writes, is unchanged. */
  origin(name: string, column: string, depth = 0): { source: string; column: string } | undefined {
    const stream = this.#program.streams.find((one) => one.name === name);
    if (stream === undefined || depth > MAX_STREAMS) return undefined;
    const inputs = stream.inputs.map(({ stream: input }) => input);
    const back = (input: string | undefined, known = column): ReturnType<FlowColumns['origin']> =>
      input === undefined ? undefined : this.origin(input, known, depth + 1);
    switch (stream.transformation) {
      case 'source': {
        const found = this.of(name).find((each) => same(each.name, column));
        return found === undefined ? undefined : { source: name, column: found.name };
      }
      case 'sink':
      case 'select': {
        const mapped = partOf(stream, 'mapColumn');
        if (mapped === undefined) return back(inputs[0]);
        const from = plainColumn(mapped, column);
        return from === undefined ? undefined : back(inputs[0], from);
      }
      case 'join':
      case 'lookup':
      case 'union':
        return back(inputs.find((input) => this.of(input).some((each) => same(each.name, column))));
      case 'aggregate':
      case 'pivot':
      case 'unpivot':
      case 'foldDown':
      case 'call':
        return undefined;
      default: {
        const made = [...stream.arguments, ...(partOf(stream, 'output') ?? [])].some(
          (node) =>
            (node.type === 'assign' && node.target.type === 'column' && same(node.target.name, column)) ||
            (node.type === 'typed' && same(node.name, column)),
        );
        return made ? undefined : back(inputs[0]);
      }
    }
  }

  #columns(stream: Stream): readonly NamedColumn[] {
    const [left = [], right = []] = stream.inputs.map(({ stream: name }) => this.of(name));
    switch (stream.transformation) {
      case 'source': {
        const declared = typedColumns(partOf(stream, 'output'));
        return declared.length > 0 ? declared : (this.#sources.get(stream.name) ?? []);
      }
      case 'select': {
        const mapped = partOf(stream, 'mapColumn');
        return mapped === undefined ? left : this.#mapped(mapped, left);
      }
      case 'foldDown':
        return this.#mapped(partOf(stream, 'mapColumn') ?? [], left);
      case 'derive':
      case 'window':
        return merged(left, this.#assigned(stream.arguments, left));
      case 'aggregate': {
        const groups = this.#mapped(partOf(stream, 'groupBy') ?? [], left);
        return merged(groups, this.#assigned(stream.arguments, left));
      }
      case 'pivot':
        return this.#mapped(partOf(stream, 'groupBy') ?? [], left);
      case 'unpivot':
        return merged(
          this.#mapped(partOf(stream, 'ungroupBy') ?? [], left),
          typedColumns(partOf(stream, 'output')),
        );
      case 'keyGenerate':
      case 'rank':
      case 'cast':
        return merged(left, typedColumns(partOf(stream, 'output')), true);
      case 'join':
      case 'lookup':
        return merged(left, right);
      case 'union': {
        const all = stream.inputs.flatMap(({ stream: name }) => this.of(name));
        return merged(all, []);
      }
      default:
        return left;
    }
  }

  #mapped(nodes: readonly Node[], input: readonly NamedColumn[]): NamedColumn[] {
    const columns = nodes.flatMap((node): readonly NamedColumn[] => {
      if (node.type === 'column') return [named(node.name, kindOf(node, input))];
      if (node.type === 'assign' && node.target.type === 'column')
        return [named(node.target.name, kindOf(node.value, input))];
      // A rule: which columns it takes is not known here, so all of them are.
      return node.type === 'call' ? input : [];
    });
    return merged(columns, []);
  }

  #assigned(nodes: readonly Node[], input: readonly NamedColumn[]): NamedColumn[] {
    return nodes.flatMap((node): NamedColumn[] =>
      node.type === 'assign' && node.target.type === 'column'
        ? [named(node.target.name, kindOf(node.value, input))]
        : [],
    );
  }
}

const named = (name: string, kind: ColumnKind | undefined): NamedColumn => ({
  name,
  kind: kind ?? 'text',
  isKnown: kind !== undefined,
});

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

function kindOf(node: Node, input: readonly NamedColumn[]): ColumnKind | undefined {
  if (node.type === 'column') return input.find(({ name }) => same(name, node.name))?.kind;
  if (node.type === 'interpolation') return 'text';
  if (node.type === 'literal') {
    if (node.kind === 'string') return 'text';
    if (node.kind === 'boolean') return 'boolean';
    return /^(integer|long|short)$/.test(node.kind) ? 'integer' : node.kind === 'null' ? undefined : 'number';
  }
  if (node.type !== 'call') return undefined;
  const gives = GIVES.find(([pattern]) => pattern.test(node.name))?.[1];
  if (gives !== undefined) return gives;
  const [first, second] = node.arguments;
  if (/^(max|min|first|last|coalesce|iifNull|abs)$/i.test(node.name) && first !== undefined)
    return kindOf(first, input);
  return /^(iif|case)$/i.test(node.name) && second !== undefined ? kindOf(second, input) : 'text';
}

/** The first of each name, or with `replaces` the last. */
function merged(
  first: readonly NamedColumn[],
  second: readonly NamedColumn[],
  replaces = false,
): NamedColumn[] {
  const byName = new Map<string, NamedColumn>();
  for (const column of first)
    if (!byName.has(column.name.toLowerCase())) byName.set(column.name.toLowerCase(), column);
  for (const column of second) {
    const known = byName.get(column.name.toLowerCase());
    if (known === undefined || replaces || column.isKnown) byName.set(column.name.toLowerCase(), column);
  }
  return [...byName.values()];
}
