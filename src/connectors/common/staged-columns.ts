// Which columns a target is made with and which are staged for it, as the write behaviour says.
import { findColumn } from '../../core/copy/find-column.ts';
import type { Column } from '../../core/types/column.ts';
import type { Dialect } from './sql-store.ts';
import type { WriteBehavior } from './write-behavior.ts';

/** The target's columns for those that come from another store: the operation of a change is none of them. */
export const ownColumns = (
  columns: readonly Column[],
  behavior: WriteBehavior,
  dialect: Pick<Dialect, 'columnFor'>,
): Column[] => {
  const operation = behavior.kind === 'changes' ? findColumn(columns, behavior.operationColumn) : undefined;
  return columns.filter((column) => column !== operation).map((column) => dialect.columnFor(column));
};

/** What is staged for these columns of the target: changes carry their operation, and a deleted row only its key. */
export const stagedColumns = (
  target: readonly Column[],
  behavior: WriteBehavior,
  dialect: Pick<Dialect, 'columnFor'>,
): Column[] => {
  if (behavior.kind !== 'changes') return [...target];
  const operation: Column = {
    name: behavior.operationColumn,
    type: 'String',
    length: 1,
    nullable: false,
    native: '',
  };
  return [...target.map((column) => ({ ...column, nullable: true })), dialect.columnFor(operation)];
};
