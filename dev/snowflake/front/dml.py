"""INSERT, UPDATE, DELETE and MERGE with Snowflake's counts."""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc
from fakesnow.statement_type import statement_type_id
from sqlglot import exp

from . import runner
from .errors import unsupported
from .results import Result, ResultStore, number_column
from .sessions import Session

_MERGE_ACTIONS = [("INSERT", "inserted"), ("UPDATE", "updated"), ("DELETE", "deleted")]


def run(session: Session, store: ResultStore, query_id: str, tree: exp.Expression, params: list[Any] | None) -> Result:
    if isinstance(tree, exp.MultitableInserts):
        raise unsupported("INSERT ALL")
    if isinstance(tree, exp.Merge):
        return _merge(session, tree, params)
    cursor = runner.run(session, runner.prepare(session, tree), params)
    return runner.small_result(session, store, query_id, cursor, statement_type_id(tree))


def describe(tree: exp.Expression) -> Result:
    """The result columns of a DML statement without running it."""
    if isinstance(tree, exp.Merge):
        names = [f"number of rows {verb}" for verb in _merge_verbs(tree)]
    elif isinstance(tree, exp.Update):
        names = ["number of rows updated", "number of multi-joined rows updated"]
    else:
        names = ["number of rows deleted" if isinstance(tree, exp.Delete) else "number of rows inserted"]
    return Result([number_column(name) for name in names], [], statement_type_id(tree))


def _merge_verbs(tree: exp.Merge) -> list[str]:
    found: set[str] = set()
    for when in tree.args["whens"].expressions:
        then = when.args["then"]
        found.add("inserted" if isinstance(then, exp.Insert) else "updated" if isinstance(then, exp.Update) else "deleted")
    return [verb for _, verb in _MERGE_ACTIONS if verb in found]


def _merge(session: Session, tree: exp.Merge, params: list[Any] | None) -> Result:
    """MERGE as the engine's own MERGE: one atomic statement, an error when a target row matches twice (100090)."""
    verbs = _merge_verbs(tree)
    for when in tree.args["whens"].expressions:
        then = when.args["then"]
        if isinstance(then, exp.Update):
            for assignment in then.expressions:
                if isinstance(assignment.this, exp.Column):
                    assignment.this.set("table", None)
        elif isinstance(then, exp.Insert) and isinstance(then.this, exp.Tuple):
            for column in then.this.find_all(exp.Column):
                column.set("table", None)
    sql = runner.translate(session, runner.prepare(session, tree), params)
    session.duck.execute(f"{sql} RETURNING merge_action", params or None)
    actions = session.duck.to_arrow_table().column(0)
    counts = {str(item["values"]).upper(): int(item["counts"]) for item in pc.value_counts(actions).to_pylist()}
    row: list[str | None] = [str(counts.get(action, 0)) for action, verb in _MERGE_ACTIONS if verb in verbs]
    return Result([number_column(f"number of rows {verb}") for verb in verbs], [row], 0x3400)
