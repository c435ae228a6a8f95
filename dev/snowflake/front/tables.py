"""What is known of a table: its full name, columns, keys and whether it is temporary."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from . import dialect
from .errors import SnowflakeError, does_not_exist, no_current
from .sessions import Session


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    nullable: bool
    default: str | None
    length: int | None


@dataclass(frozen=True)
class Table:
    """`database`, `schema`, `name` as Snowflake sees them; `sql` is how the engine is told of it."""

    database: str
    schema: str
    name: str
    temporary: bool
    columns: list[Column]
    keys: list[dict[str, Any]]

    @property
    def sql(self) -> str:
        if self.temporary:
            return f"temp.main.{dialect.quote(self.name)}"
        return ".".join(dialect.quote(part) for part in (self.database, self.schema, self.name))

    def column(self, name: str) -> Column:
        found = next((column for column in self.columns if column.name == name), None)
        if found is None:
            raise SnowflakeError("000904", f"SQL compilation error: error line 1 at position 0\ninvalid identifier '{name}'")
        return found


def full_name(session: Session, table: exp.Table) -> tuple[str, str, str]:
    """Database, schema and name of a reference; raises 090105/090106 when the session has no current one."""
    database = dialect.identifier(table.args["catalog"]) if table.args.get("catalog") else session.database
    schema = dialect.identifier(table.args["db"]) if table.args.get("db") else session.schema
    if not database:
        raise no_current("database")
    if not schema:
        raise no_current("schema")
    return database, schema, dialect.identifier(table)


def find(session: Session, reference: exp.Table) -> Table:
    """The table of a reference; raises 002003 when there is none."""
    database, schema, name = full_name(session, reference)
    temporary = (database, schema, name) in session.temporary_tables
    where = ["temp", "main", name] if temporary else [database, schema, name]
    # On the session's own connection: a table made in this session must be seen. Read as plain rows.
    rows = session.duck.execute(
        "SELECT c.column_name, c.data_type, c.is_nullable, c.column_default, e.ext_character_maximum_length "
        "FROM duckdb_columns() c LEFT JOIN _fs_global._fs_information_schema._fs_columns_ext e "
        "ON e.ext_table_catalog = ? AND e.ext_table_schema = ? AND e.ext_table_name = ? AND e.ext_column_name = c.column_name "
        "WHERE c.database_name = ? AND c.schema_name = ? AND c.table_name = ? ORDER BY c.column_index",
        [database, schema, name, *where],
    ).fetchall()
    if not rows:
        raise does_not_exist("Table", f"{database}.{schema}.{name}")
    columns = [Column(str(r[0]), str(r[1]), bool(r[2]), r[3], r[4]) for r in rows]
    return Table(database, schema, name, temporary, columns, keys(session, database, schema, name))


def keys(session: Session, database: str, schema: str, name: str) -> list[dict[str, Any]]:
    """The declared keys, kept as the table's comment in the engine so that they follow it through renames."""
    row = session.duck.execute(
        "SELECT comment FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?",
        [database, schema, name],
    ).fetchone()
    return json.loads(row[0])["keys"] if row and row[0] else []
