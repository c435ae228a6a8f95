// Which source column a sink's column is, and so what a text file is to hold.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlowColumns } from '../../../dev/rehearse/infer/flow-columns.ts';
import { parseScript } from '../../../src/core/dataflow/parse-script.ts';

const SCRIPT = `source(output(Year as string, Code as string, Pay as string)) ~> pay
source(output(Id as integer, Name as string)) ~> agency
pay derive(Pay = toDouble(Pay)) ~> typed
typed select(mapColumn(FiscalYear = Year, Code, Pay)) ~> named
named, agency join(Code == Name, joinType: 'inner') ~> joined
joined filter(Id > 1) ~> some
some sink(input(FiscalYear as integer), mapColumn(Y = FiscalYear, Id, Pay, Z = toString(Id))) ~> out`;

test('a column is followed back through renames, joins and filters, and not through what makes it anew', () => {
  const columns = new FlowColumns(parseScript(SCRIPT), new Map());
  assert.deepEqual(columns.origin('out', 'Y'), { source: 'pay', column: 'Year' });
  assert.deepEqual(columns.origin('out', 'id'), { source: 'agency', column: 'Id' });
  for (const made of ['Pay', 'Z', 'none']) assert.equal(columns.origin('out', made), undefined);
});
