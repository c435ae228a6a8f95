"""Which files were loaded into which table: kept in the table's own database, so it commits and rolls back with the rows."""

from __future__ import annotations

from . import dialect
from .sessions import Session
from .tables import Table

# Snowflake keeps load metadata for 64 days.
KEPT_DAYS = 64


def _store(database: str) -> str:
    return f"{dialect.quote(database)}._fs_information_schema._front_load_history"


def _table_name(session: Session, table: Table) -> str:
    return f"#{session.id}#{table.name}" if table.temporary else table.name


def loaded(session: Session, table: Table) -> set[tuple[str, str]]:
    """(file, content hash) of what was loaded within 64 days; a file whose content changed counts as new."""
    rows = session.duck.execute(
        f"SELECT file_name, etag FROM {_store(table.database)} WHERE schema_name = ? AND table_name = ? "
        f"AND last_load_time > now()::TIMESTAMP - INTERVAL {KEPT_DAYS} DAY",
        [table.schema, _table_name(session, table)],
    ).fetchall()
    return {(str(name), str(etag)) for name, etag in rows}


def record(session: Session, table: Table, file: str, etag: str, status: str, loaded_rows: int, parsed_rows: int) -> None:
    session.duck.execute(
        f"INSERT INTO {_store(table.database)} VALUES (?, ?, ?, ?, now()::TIMESTAMP, ?, ?, ?)",
        [table.schema, _table_name(session, table), file, etag, status, loaded_rows, parsed_rows],
    )


def forget(session: Session, database: str, schema: str, name: str) -> None:
    """A table that is created, truncated or dropped has no load history."""
    session.duck.execute(f"DELETE FROM {_store(database)} WHERE schema_name = ? AND table_name = ?", [schema, name])


def forget_table(session: Session, table: Table) -> None:
    forget(session, table.database, table.schema, _table_name(session, table))


def rename(session: Session, database: str, schema: str, before: str, after: str) -> None:
    session.duck.execute(
        f"UPDATE {_store(database)} SET table_name = ? WHERE schema_name = ? AND table_name = ?", [after, schema, before]
    )


def swap(session: Session, first: Table, second: Table) -> None:
    session.duck.execute(
        f"UPDATE {_store(first.database)} SET table_name = CASE table_name WHEN ? THEN ? ELSE ? END "
        "WHERE schema_name = ? AND table_name IN (?, ?)",
        [first.name, second.name, first.name, first.schema, first.name, second.name],
    )
