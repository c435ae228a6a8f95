// Mapping data flow scripts: what they mean, where they are wrong, and that hostile ones are refused at once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseScript } from '../../../src/core/dataflow/parse-script.ts';
import type { Node } from '../../../src/core/dataflow/syntax.ts';

const SCRIPT = `parameters{
     keys as string[],
     since as date ("2024-01-01"),
     rate as decimal(10,2) (1.5)
}
source(output(
          order_id as integer,
          {unit price} as decimal(10,2) '000.00',
          placed as date 'yyyy-MM-dd',
          lines as (sku as string, amounts as double[])[]
     ),
     allowSchemaDrift: true,
     format: 'table') ~> Orders
/* products, by hand */
source(allowSchemaDrift: true) ~> Products // no columns
Orders, Products join(Orders@sku == Products@{the sku}
     && !isNull(order_id),
     joinType:'left')~> Joined
Joined split(amount > 10,
     disjoint: false) ~> Sizes@(Large, Small)
Sizes@Large sink(mapColumn(
          order_id,
          total = {unit price}
     ),
     keys:(['order_id',$keys[1]]),
     preCommands: []) ~> Out
`;

/** The only argument of a filter, without the lines of its calls. */
const expression = (text: string): Node => {
  const [stream] = parseScript(`a filter(${text}) ~> b`).streams;
  const [first] = stream?.arguments ?? [];
  return JSON.parse(JSON.stringify(first), (key, value) => (key === 'line' ? undefined : value)) as Node;
};

const failure = (script: string): Error & { details: Record<string, unknown> } => {
  try {
    parseScript(script);
  } catch (error) {
    return error as Error & { details: Record<string, unknown> };
  }
  throw new Error('the script was accepted');
};

const number = (value: number, kind = 'integer') => ({ type: 'literal', value, kind });
const column = (name: string, stream: string | null = null, output: string | null = null) => ({
  type: 'column',
  name,
  stream,
  output,
});
const call = (name: string, ...args: unknown[]) => ({ type: 'call', name, arguments: args });

test('what stands in parentheses behind a parameter is its default, but the size of a decimal', () => {
  const { parameters } =
    parseScript(`parameters{ n as integer (1), rate as decimal(4,2) (0.5), s as string ('x') }
source() ~> In
In sink() ~> Out`);
  assert.deepEqual(
    parameters.map(({ type, default: value }) => [type, value?.type === 'literal' ? value.value : value]),
    [
      ['integer', 1],
      ['decimal(4,2)', 0.5],
      ['string', 'x'],
    ],
  );
});

test('a script becomes its parameters and streams, in order, with lines', () => {
  const { parameters, streams } = parseScript(SCRIPT);
  assert.deepEqual(
    parameters.map(({ name, type }) => [name, type]),
    [
      ['keys', 'string[]'],
      ['since', 'date'],
      ['rate', 'decimal(10,2)'],
    ],
  );
  assert.deepEqual(parameters[1]?.default, { type: 'literal', value: '2024-01-01', kind: 'string' });
  assert.deepEqual(
    streams.map(({ name, transformation, inputs, outputs, line }) => [
      line,
      inputs.map(({ stream, output }) => (output === null ? stream : `${stream}@${output}`)).join(),
      transformation,
      [name, ...outputs].join(),
    ]),
    [
      [6, '', 'source', 'Orders'],
      [15, '', 'source', 'Products'],
      [16, 'Orders,Products', 'join', 'Joined'],
      [19, 'Joined', 'split', 'Sizes,Large,Small'],
      [21, 'Sizes@Large', 'sink', 'Out'],
    ],
  );
  const [output] = streams[0]?.arguments ?? [];
  assert.deepEqual(output?.type === 'call' && output.arguments.slice(1), [
    { type: 'typed', name: 'unit price', as: 'decimal(10,2)', format: '000.00', fields: null, array: false },
    { type: 'typed', name: 'placed', as: 'date', format: 'yyyy-MM-dd', fields: null, array: false },
    {
      type: 'typed',
      name: 'lines',
      as: 'struct',
      format: null,
      fields: [
        { type: 'typed', name: 'sku', as: 'string', format: null, fields: null, array: false },
        { type: 'typed', name: 'amounts', as: 'double', format: null, fields: null, array: true },
      ],
      array: true,
    },
  ]);
  assert.deepEqual(streams[4]?.arguments[2], {
    type: 'entry',
    key: 'preCommands',
    value: { type: 'list', items: [] },
  });
});

test('operators bind as in Data Factory, from || to *', () => {
  assert.deepEqual(
    expression('a || b && !c == d + 2 * -e'),
    call(
      '||',
      column('a'),
      call(
        '&&',
        column('b'),
        call(
          '==',
          call('!', column('c')),
          call('+', column('d'), call('*', number(2), call('neg', column('e')))),
        ),
      ),
    ),
  );
  assert.deepEqual(
    expression('(a - b) - c <=> 1'),
    call('<=>', call('-', call('-', column('a'), column('b')), column('c')), number(1)),
  );
});

test('names, literals, parameters, items and structures', () => {
  assert.deepEqual(expression('S@{odd \\} name}'), column('odd } name', 'S'));
  assert.deepEqual(expression('Sizes@Large@id'), column('id', 'Sizes', 'Large'));
  assert.deepEqual(expression('-5'), number(-5));
  assert.deepEqual(expression('1.50'), number(1.5, 'double'));
  assert.deepEqual(expression('9007199254740993L'), {
    type: 'literal',
    value: '9007199254740993',
    kind: 'long',
  });
  assert.deepEqual(expression("'it\\'s \\d'"), { type: 'literal', value: "it's \\d", kind: 'string' });
  assert.deepEqual(expression('`(\\d+)`'), { type: 'literal', value: '(\\d+)', kind: 'string' });
  assert.deepEqual(expression('"N"'), { type: 'literal', value: 'N', kind: 'string' });
  assert.deepEqual(expression('"is {upper({a b})}!"'), {
    type: 'interpolation',
    parts: [
      { type: 'literal', value: 'is ', kind: 'string' },
      call('upper', column('a b')),
      { type: 'literal', value: '!', kind: 'string' },
    ],
  });
  assert.deepEqual(
    expression('$$ + $0'),
    call('+', { type: 'matched', index: null }, { type: 'matched', index: 0 }),
  );
  assert.deepEqual(expression('#item2'), { type: 'item', index: 2, name: 'item' });
  assert.deepEqual(
    expression('@(a = 1)'),
    call('@', { type: 'assign', target: column('a'), value: number(1) }),
  );
  assert.deepEqual(expression('$keys[1].x'), {
    type: 'member',
    of: { type: 'index', of: { type: 'parameter', name: 'keys' }, index: number(1) },
    name: 'x',
  });
});

test('what is wrong is told with line and column', () => {
  const { message, details } = failure('source(allowSchemaDrift: true) ~> a\na filter(x == ) ~> b');
  assert.match(message, /Expected a value, found "\) ~> b" \(line 2, column 15 of the script\)/);
  assert.deepEqual([details['line'], details['column']], [2, 15]);
  assert.match(failure('source() ~> ').message, /the stream's name, found the end/);
  assert.match(failure("a filter('x) ~> b").message, /not closed by its quote/);
  assert.match(failure('a filter(x) ~> b /* ').message, /comment is not closed/);
});

test('hostile scripts are refused within a second', () => {
  const many = 700_000;
  const hostile = [
    'x'.repeat(10_000_000),
    ...['(', 'f(', '!', '[', 'x + ', 'k: ', '"{', '@(', '{', 'a = ', 'x.', 'x as ('].map(
      (piece) => `a filter(${piece.repeat(many / piece.length)}`,
    ),
    `a filter(x${'[0]'.repeat(many / 3)}) ~> b`,
    `a filter(x as string${'[]'.repeat(many / 2)}) ~> b`,
    `a filter(x${' /* '.repeat(many / 4)}`,
    'a, '.repeat(many / 3),
  ];
  for (const script of hostile) {
    const began = Date.now();
    assert.ok(failure(script).message.length < 300, script.slice(0, 20));
    assert.ok(Date.now() - began < 1000, script.slice(0, 20));
  }
});
