"""DESCRIBE TABLE and SHOW PRIMARY KEYS, from what the stand-in knows and fakesnow does not."""

from __future__ import annotations

import json
import re

from sqlglot import exp

from . import dialect, tables
from .results import Result, Row, number_column, text_column
from .sessions import Session
from .tables import Column

DESCRIBE_TYPE, SHOW_TYPE = 0x4500, 0x4400

_TYPES = {
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "DOUBLE": "FLOAT",
    "BLOB": "BINARY(8388608)",
    "JSON": "VARIANT",
    "TIME": "TIME(9)",
    "TIMESTAMP": "TIMESTAMP_NTZ(9)",
    "TIMESTAMP_NS": "TIMESTAMP_NTZ(9)",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_TZ(9)",
}


def type_name(column: Column) -> str:
    """Snowflake's name of a column's type with precision, scale or length."""
    if match := re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", column.type):
        return f"NUMBER({match[1]},{match[2]})"
    if column.type.endswith("INT") or column.type == "INTEGER":
        return "NUMBER(38,0)"
    if column.type == "VARCHAR":
        return f"VARCHAR({column.length or 16777216})"
    return _TYPES.get(column.type, column.type)


def describe_table(session: Session, reference: exp.Table) -> Result:
    table = tables.find(session, reference)
    primary = {name for key in table.keys if key["kind"] == "PRIMARY KEY" for name in key["columns"]}
    unique = {name for key in table.keys if key["kind"] == "UNIQUE" for name in key["columns"]}
    rows: list[Row] = [
        [
            column.name,
            type_name(column),
            "COLUMN",
            "Y" if column.nullable else "N",
            column.default,
            "Y" if column.name in primary else "N",
            "Y" if column.name in unique else "N",
            None,
            None,
            None,
            None,
            None,
        ]
        for column in table.columns
    ]
    names = ["name", "type", "kind", "null?", "default", "primary key", "unique key", "check", "expression", "comment", "policy name", "privacy domain"]
    return Result([text_column(name) for name in names], rows, DESCRIBE_TYPE)


_KEYS = re.compile(r"^\s*SHOW\s+(?:TERSE\s+)?PRIMARY\s+KEYS(?:\s+IN\s+(?:(ACCOUNT|DATABASE|SCHEMA|TABLE)\b\s*)?(.*?))?\s*$", re.I | re.S)


def show_primary_keys(session: Session, sql: str) -> Result | None:
    """SHOW PRIMARY KEYS [IN ACCOUNT | DATABASE x | SCHEMA x | [TABLE] x], or None for another statement."""
    match = _KEYS.match(sql.rstrip().rstrip(";"))
    if not match:
        return None
    kind = (match[1] or ("TABLE" if match[2] else "SCHEMA")).upper()
    filters: list[str | None] = [None, None, None]
    if kind != "ACCOUNT":
        filters = [session.database, session.schema, None]
        if kind == "DATABASE":
            filters = [_name(match[2]) or session.database, None, None]
        elif kind == "SCHEMA" and match[2]:
            reference = exp.to_table(match[2], dialect="snowflake")
            parent = dialect.identifier(reference.args["db"]) if reference.args.get("db") else session.database
            filters = [parent, dialect.identifier(reference), None]
        elif kind == "TABLE":
            found = tables.find(session, exp.to_table(match[2], dialect="snowflake"))
            filters = [found.database, found.schema, found.name]
    rows: list[Row] = []
    query = "SELECT database_name, schema_name, table_name, comment FROM duckdb_tables() WHERE comment IS NOT NULL ORDER BY ALL"
    for database, schema, table, comment in session.duck.execute(query).fetchall():
        if any(wanted is not None and wanted != actual for wanted, actual in zip(filters, (database, schema, table))):
            continue
        for key in json.loads(comment)["keys"]:
            if key["kind"] != "PRIMARY KEY":
                continue
            name = key["name"] or f"SYS_CONSTRAINT_{database}_{schema}_{table}"
            for position, column in enumerate(key["columns"], start=1):
                rows.append(["1970-01-01 00:00:00.000 +0000", database, schema, table, column, str(position), name, "false", None])
    columns = [text_column(name) for name in ("created_on", "database_name", "schema_name", "table_name", "column_name")]
    columns += [number_column("key_sequence"), *(text_column(name) for name in ("constraint_name", "rely", "comment"))]
    return Result(columns, rows, SHOW_TYPE)


def _name(text: str | None) -> str | None:
    return dialect.identifier(exp.to_identifier(text)) if text else None
