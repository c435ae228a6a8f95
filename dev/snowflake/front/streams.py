"""Standard streams on tables: what changed in a table since the stream was last consumed.

A stream is a view of its table beside a copy of the rows as they were at the stream's offset. A DML statement, a CREATE TABLE
AS SELECT or a COPY INTO <location> that reads it moves the offset, in its own transaction where it has one.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from sqlglot import exp

from . import dialect, tables
from .errors import already_exists, does_not_exist, unsupported
from .results import Result, status, text_column
from .sessions import Session

DDL_TYPE = 0x6000
_NAME = r'((?:"[^"]+"|[\w$]+)(?:\.(?:"[^"]+"|[\w$]+)){0,2})'
_CREATE = re.compile(rf"CREATE\s+(OR\s+REPLACE\s+)?STREAM\s+(IF\s+NOT\s+EXISTS\s+)?{_NAME}\s+ON\s+(\w+)\s+{_NAME}(.*)", re.I | re.S)
_DROP = re.compile(rf"DROP\s+STREAM\s+(IF\s+EXISTS\s+)?{_NAME}\s*", re.I)
_SHOW = re.compile(r"SHOW\s+STREAMS(?:\s+LIKE\s+'([^']*)')?(?:\s+IN\s+.*)?\s*", re.I)
_OPTION = re.compile(r"\s*(APPEND_ONLY|SHOW_INITIAL_ROWS|INSERT_ONLY)\s*=\s*(TRUE|FALSE)|\s*COMMENT\s*=\s*'(?:[^']|'')*'", re.I)
_FUNCTIONS = ("SYSTEM$STREAM_HAS_DATA", "SYSTEM$STREAM_GET_TABLE_TIMESTAMP")
_ROW = "_front_row"


@dataclass(frozen=True)
class Stream:
    database: str
    schema: str
    name: str
    table_schema: str
    table: str
    # Nanoseconds since the epoch.
    offset: int

    @property
    def view(self) -> str:
        return ".".join(map(dialect.quote, (self.database, self.schema, self.name)))

    @property
    def source(self) -> str:
        return ".".join(map(dialect.quote, (self.database, self.table_schema, self.table)))

    @property
    def before(self) -> str:
        """The table's rows at the offset."""
        kept = dialect.quote(f"_front_stream {self.schema}.{self.name}")
        return f"{dialect.quote(self.database)}._fs_information_schema.{kept}"


def define(session: Session, sql: str) -> Result | None:
    """CREATE, DROP and SHOW STREAMS; None for any other statement."""
    if match := _CREATE.fullmatch(sql):
        return session.transactions.define(lambda: _create(session, match))
    if match := _DROP.fullmatch(sql):
        return session.transactions.define(lambda: _drop(session, match))
    if match := _SHOW.fullmatch(sql):
        return session.transactions.read(lambda: _show(session, match[1]))
    return None


def answer_functions(session: Session, tree: exp.Expression) -> exp.Expression:
    """SYSTEM$STREAM_HAS_DATA('s') and SYSTEM$STREAM_GET_TABLE_TIMESTAMP('s') as their values."""

    def change(node: exp.Expression) -> exp.Expression:
        name = dialect.function_name(node) if isinstance(node, exp.Anonymous) else None
        if name not in _FUNCTIONS:
            return node
        if len(node.expressions) != 1 or not isinstance(node.expressions[0], exp.Literal):
            raise unsupported(f"{name} of anything but a literal")
        stream = _find(session, exp.to_table(node.expressions[0].name, dialect="snowflake"))
        if name == "SYSTEM$STREAM_GET_TABLE_TIMESTAMP":
            return exp.Literal.string(str(stream.offset))
        found = session.duck.execute(f"SELECT EXISTS (SELECT 1 FROM {stream.view})").fetchone()
        return exp.true() if found and found[0] else exp.false()

    return tree.transform(change)


def read_by(session: Session, tree: exp.Expression) -> list[Stream]:
    """The streams that a statement reads, and so consumes if it writes; its target is not among them."""
    target = tree.this.this if isinstance(tree, exp.Create) and isinstance(tree.this, exp.Schema) else tree.args.get("this")
    found: dict[str, Stream] = {}
    for reference in tree.find_all(exp.Table):
        if reference is target or not isinstance(reference.this, exp.Identifier):
            continue
        if not (session.database or reference.args.get("catalog")) or not (session.schema or reference.args.get("db")):
            continue
        stream = _lookup(session, tables.full_name(session, reference))
        if stream is not None:
            found[stream.view] = stream
    return list(found.values())


def advance(session: Session, streams: list[Stream]) -> None:
    """Moves their offsets to now: what they showed is consumed."""
    for stream in streams:
        session.duck.execute(f"DELETE FROM {stream.before}")
        session.duck.execute(f"INSERT INTO {stream.before} SELECT rowid, * FROM {stream.source}")
        session.duck.execute(
            f"UPDATE {_store(stream.database)} SET stream_offset = ? WHERE schema_name = ? AND name = ?",
            [max(time.time_ns(), stream.offset + 1), stream.schema, stream.name],
        )


def _store(database: str) -> str:
    return f"{dialect.quote(database)}._fs_information_schema._front_streams"


def _lookup(session: Session, name: tuple[str, str, str]) -> Stream | None:
    database, schema, stream = name
    if database not in session.engine.databases():
        return None
    row = session.duck.execute(
        f"SELECT table_schema, table_name, stream_offset FROM {_store(database)} WHERE schema_name = ? AND name = ?", [schema, stream]
    ).fetchone()
    return Stream(database, schema, stream, str(row[0]), str(row[1]), int(row[2])) if row else None


def _find(session: Session, reference: exp.Table) -> Stream:
    name = tables.full_name(session, reference)
    stream = _lookup(session, name)
    if stream is None:
        raise does_not_exist("Stream", ".".join(name))
    return stream


def _create(session: Session, match: re.Match[str]) -> Result:
    replace, if_not_exists, written, kind, on, rest = match.groups()
    if kind.upper() != "TABLE":
        raise unsupported(f"CREATE STREAM ... ON {kind.upper()}")
    options = {found[1].upper(): found[2].upper() for found in _OPTION.finditer(rest) if found[1]}
    if _OPTION.sub("", rest).strip():
        raise unsupported(f"CREATE STREAM ... {' '.join(_OPTION.sub('', rest).split()[:3])}")
    for name in ("APPEND_ONLY", "INSERT_ONLY"):
        if options.get(name) == "TRUE":
            raise unsupported(f"CREATE STREAM ... {name} = TRUE")
    database, schema, name = tables.full_name(session, exp.to_table(written, dialect="snowflake"))
    table = tables.find(session, exp.to_table(on, dialect="snowflake"))
    if table.temporary or table.database != database:
        raise unsupported("CREATE STREAM on a temporary table or in another database")
    existing = _lookup(session, (database, schema, name))
    if existing is not None and if_not_exists:
        return status(f"{name} already exists, statement succeeded.", DDL_TYPE)
    if (existing is not None and not replace) or ddl_exists(session, (database, schema, name)):
        raise already_exists(".".join((database, schema, name)))
    stream = Stream(database, schema, name, table.schema, table.name, time.time_ns())
    columns = [column.name for column in table.columns]
    empty = " LIMIT 0" if options.get("SHOW_INITIAL_ROWS") == "TRUE" else ""
    session.duck.execute("BEGIN")
    try:
        if existing is not None:
            _remove(session, existing)
        session.duck.execute(f"CREATE TABLE {stream.before} AS SELECT rowid AS {_ROW}, * FROM {stream.source}{empty}")
        session.duck.execute(_view(stream, columns))
        session.duck.execute(
            f"INSERT INTO {_store(database)} VALUES (?, ?, ?, ?, ?)", [schema, name, table.schema, table.name, stream.offset]
        )
        session.duck.execute("COMMIT")
    except BaseException:
        session.duck.execute("ROLLBACK")
        raise
    return status(f"Stream {name} successfully created.", DDL_TYPE)


def ddl_exists(session: Session, name: tuple[str, str, str]) -> bool:
    """Whether a table has the name."""
    query = "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?"
    return session.duck.execute(query, list(name)).fetchone() is not None


def _view(stream: Stream, names: list[str]) -> str:
    """The net difference: rows there now and not before are inserted, the others deleted, equal rows counted."""
    columns = ", ".join(map(dialect.quote, names))
    same = " AND ".join(f"a.{dialect.quote(name)} IS NOT DISTINCT FROM b.{dialect.quote(name)}" for name in names)
    numbered = f"*, row_number() OVER (PARTITION BY {columns} ORDER BY {_ROW}) AS _front_copy"

    def side(mine: str, others: str, theirs: str, action: str) -> str:
        return (
            f"SELECT {', '.join(f'a.{dialect.quote(name)}' for name in names)}, '{action}' AS \"METADATA$ACTION\", "
            f"a.{_ROW} IN (SELECT {_ROW} FROM {theirs}) AS \"METADATA$ISUPDATE\", "
            f"sha1(concat({dialect.literal(stream.source)}, a.{_ROW})) AS \"METADATA$ROW_ID\" "
            f"FROM {mine} a"
        )

    def only(here: str, there: str) -> str:
        return f"(SELECT * FROM {here} a ANTI JOIN {there} b ON {same} AND a._front_copy = b._front_copy)"

    return (
        f"CREATE VIEW {stream.view} AS WITH _after AS (SELECT {numbered} FROM (SELECT rowid AS {_ROW}, {columns} FROM {stream.source})), "
        f"_before AS (SELECT {numbered} FROM (SELECT {_ROW}, {columns} FROM {stream.before})), "
        f"_added AS {only('_after', '_before')}, _removed AS {only('_before', '_after')} "
        f"{side('_added', '_before', '_removed', 'INSERT')} UNION ALL {side('_removed', '_after', '_added', 'DELETE')}"
    )


def _remove(session: Session, stream: Stream) -> None:
    session.duck.execute(f"DROP VIEW {stream.view}")
    session.duck.execute(f"DROP TABLE {stream.before}")
    session.duck.execute(f"DELETE FROM {_store(stream.database)} WHERE schema_name = ? AND name = ?", [stream.schema, stream.name])


def _drop(session: Session, match: re.Match[str]) -> Result:
    reference = exp.to_table(match[2], dialect="snowflake")
    name = tables.full_name(session, reference)
    stream = _lookup(session, name)
    if stream is None:
        if match[1]:
            return status(f"Drop statement executed successfully ({name[2]} already dropped).", DDL_TYPE)
        raise does_not_exist("Stream", ".".join(name))
    _remove(session, stream)
    return status(f"{name[2]} successfully dropped.", DDL_TYPE)


def _show(session: Session, pattern: str | None) -> Result:
    if not session.database:
        return Result([text_column(name) for name in _SHOWN], [], 0x4D00)
    rows = session.duck.execute(
        f"SELECT name, schema_name, table_schema, table_name, stream_offset FROM {_store(session.database)} WHERE name ILIKE ? ORDER BY ALL",
        [pattern or "%"],
    ).fetchall()
    return Result(
        [text_column(name) for name in _SHOWN],
        [
            [name, session.database, schema, f"{session.database}.{table_schema}.{table}", "Table", "DELTA", "false", "DEFAULT"]
            for name, schema, table_schema, table, _ in rows
        ],
        0x4D00,
    )


_SHOWN = ("name", "database_name", "schema_name", "table_name", "source_type", "type", "stale", "mode")
