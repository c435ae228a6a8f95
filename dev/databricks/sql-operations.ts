// The operations below /sql: statements, the one warehouse, saved queries. `:name` in a path becomes a member.
import { numberIn, required, textIn } from './json.ts';
import type { Operation } from './operations.ts';
import type { Queries } from './queries.ts';
import { checkWarehouse, type Statements, warehouseView } from './statements.ts';

export function sqlOperations(statements: Statements, queries: Queries): [string, Operation][] {
  const id = (body: Record<string, unknown>): string => required(textIn(body, 'id'), 'id');
  return [
    ['POST /sql/statements', (body) => statements.execute(body)],
    ['GET /sql/statements/:id', (query) => statements.get(id(query))],
    [
      'GET /sql/statements/:id/result/chunks/:chunk',
      (query) => statements.chunk(id(query), required(numberIn(query, 'chunk'), 'chunk_index')),
    ],
    ['POST /sql/statements/:id/cancel', (body) => statements.cancel(id(body))],
    ['GET /sql/warehouses', () => ({ warehouses: [warehouseView('127.0.0.1')] })],
    [
      'GET /sql/warehouses/:id',
      (query) => {
        checkWarehouse(id(query));
        return warehouseView('127.0.0.1');
      },
    ],
    ['POST /sql/queries', (body) => queries.create(body)],
    ['GET /sql/queries/:id', (query) => queries.get(id(query))],
    ['DELETE /sql/queries/:id', (query) => queries.remove(id(query))],
  ];
}
