"""Runs one syntax tree on the engine: through fakesnow's translation, and results streamed where they can be large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fakesnow.cursor import FakeSnowflakeCursor
from sqlglot import exp

from . import dialect, tables
from .results import CHUNK_ROWS, Result, ResultStore, column_infos
from .sessions import Session


def context(session: Session) -> dict[str, Callable[[], str | None]]:
    """The values of Snowflake's context functions."""
    return {
        "CURRENT_ACCOUNT": lambda: session.account,
        "CURRENT_ACCOUNT_NAME": lambda: session.account,
        "CURRENT_CLIENT": lambda: session.client,
        "CURRENT_DATABASE": lambda: session.database,
        "CURRENT_REGION": lambda: "LOCAL",
        "CURRENT_ROLE": lambda: (session.role or "SYSADMIN").upper(),
        "CURRENT_SCHEMA": lambda: session.schema,
        "CURRENT_SESSION": lambda: str(session.id),
        "CURRENT_TRANSACTION": lambda: str(session.transactions.id) if session.transactions.active else None,
        "CURRENT_USER": lambda: session.user,
        "CURRENT_WAREHOUSE": lambda: session.warehouse and session.warehouse.upper(),
        "LAST_QUERY_ID": lambda: session.last_query_id,
    }


def prepare(session: Session, tree: exp.Expression) -> exp.Expression:
    """Rewrites of ours: functions, and references to temporary tables, which the engine keeps in a catalog of its own."""
    tree = dialect.rewrite(tree, context(session))
    if session.temporary_tables:
        for table in tree.find_all(exp.Table):
            if not isinstance(table.this, exp.Identifier) or not (session.database or table.args.get("catalog")):
                continue
            if not session.schema and not table.args.get("db"):
                continue
            name = tables.full_name(session, table)
            if name in session.temporary_tables:
                table.set("catalog", exp.to_identifier("temp", quoted=True))
                table.set("db", exp.to_identifier("main", quoted=True))
                table.set("this", exp.to_identifier(name[2], quoted=True))
    return tree


def translate(session: Session, tree: exp.Expression, params: list[Any] | None = None) -> str:
    """DuckDB's SQL for a prepared tree."""
    cursor = session.connection.cursor()
    cursor.check_db_and_schema(tree)
    return _sql(cursor, tree, params)


def _sql(cursor: FakeSnowflakeCursor, tree: exp.Expression, params: list[Any] | None) -> str:
    transformed = cursor._transform(tree, params)  # noqa: SLF001
    sql = transformed.sql(dialect="duckdb")
    seed = transformed.args.get("seed")
    return f"SELECT setseed({seed}); {sql}" if seed else sql


def run(session: Session, tree: exp.Expression, params: list[Any] | None) -> FakeSnowflakeCursor:
    """Runs anything but a query through fakesnow, which also forms the result's status or counts."""
    cursor = session.connection.cursor()
    cursor.check_db_and_schema(tree)
    for statement in cursor._transform_explode(tree):  # noqa: SLF001
        transformed = cursor._transform(statement, params)  # noqa: SLF001
        cursor._execute(transformed, params if transformed.find(exp.Placeholder) else None)  # noqa: SLF001
    return cursor


def small_result(session: Session, store: ResultStore, query_id: str, cursor: FakeSnowflakeCursor, type_id: int) -> Result:
    table = cursor._arrow_table  # noqa: SLF001
    columns = column_infos(session.duck.description or [])
    return store.encode(query_id, columns, table.to_batches() if table is not None else [], type_id)


def query(session: Session, store: ResultStore, query_id: str, tree: exp.Expression, params: list[Any] | None, type_id: int) -> Result:
    """Runs a query and spools its rows batch by batch."""
    sql = translate(session, tree, params)
    session.duck.execute(sql, params or None)
    columns = column_infos(session.duck.description or [])
    reader = session.duck.to_arrow_reader(CHUNK_ROWS)
    return store.encode(query_id, columns, reader, type_id)


def describe(session: Session, tree: exp.Expression, type_id: int) -> Result:
    """The result's columns without running the query; placeholders are NULL."""
    tree = tree.transform(lambda node: exp.null() if isinstance(node, exp.Placeholder) else node)
    rows = session.duck.execute(f"DESCRIBE {translate(session, tree)}").fetchall()
    return Result(column_infos(rows), [], type_id)
