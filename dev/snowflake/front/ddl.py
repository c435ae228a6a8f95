"""CREATE, ALTER and DROP of databases, schemas and tables where fakesnow lacks Snowflake's meaning."""

from __future__ import annotations

import json
import re
from typing import Any

from sqlglot import exp

from . import dialect, load_history, tables
from .errors import already_exists, does_not_exist, unsupported
from .results import Result, status
from .sessions import Session

DDL_TYPE = 0x6000
_KEY_KINDS = {exp.PrimaryKey: "PRIMARY KEY", exp.ForeignKey: "FOREIGN KEY", exp.UniqueColumnConstraint: "UNIQUE"}


def create_database(session: Session, statement: exp.Create) -> Result:
    name = dialect.identifier(statement.find(exp.Table) or statement.this)
    if statement.args.get("clone"):
        raise unsupported("CREATE DATABASE ... CLONE")
    created = session.engine.create_database(name, bool(statement.args.get("replace")), bool(statement.args.get("exists")))
    use_schema(session, name, "PUBLIC")
    message = f"Database {name} successfully created." if created else f"{name} already exists, statement succeeded."
    return status(message, DDL_TYPE)


def drop_database(session: Session, statement: exp.Drop) -> Result:
    name = dialect.identifier(statement.find(exp.Table) or statement.this)
    if session.connection.database == name:
        session.duck.execute("SET schema = 'memory.main'")
        session.connection.database = None
        session.connection.database_set = session.connection.schema_set = False
    session.engine.drop_database(name, bool(statement.args.get("exists")))
    return status(f"{name} successfully dropped.", DDL_TYPE)


def create_schema(session: Session, statement: exp.Create) -> Result:
    table = statement.find(exp.Table)
    if table is None:
        raise unsupported("CREATE SCHEMA without a name")
    name = dialect.identifier(table.args["db"])
    database = dialect.identifier(table.args["catalog"]) if table.args.get("catalog") else session.database
    if database is None or database not in session.engine.databases():
        raise does_not_exist("Database", str(database))
    qualified = f"{dialect.quote(database)}.{dialect.quote(name)}"
    message = f"Schema {name} successfully created."
    if name in session.engine.schemas(database):
        if statement.args.get("exists"):
            message = f"{name} already exists, statement succeeded."
        elif statement.args.get("replace"):
            session.duck.execute(f"DROP SCHEMA {qualified} CASCADE")
            session.duck.execute(f"CREATE SCHEMA {qualified}")
        else:
            raise already_exists(name)
    else:
        session.duck.execute(f"CREATE SCHEMA {qualified}")
    use_schema(session, database, name)
    return status(message, DDL_TYPE)


def use(session: Session, statement: exp.Use) -> Result:
    """USE [DATABASE | SCHEMA | WAREHOUSE | ROLE] name."""
    kind = statement.args["kind"].name.upper() if statement.args.get("kind") else ""
    target = statement.this
    name = dialect.identifier(target)
    parent = dialect.identifier(target.args["db"]) if isinstance(target, exp.Table) and target.args.get("db") else None
    if kind == "WAREHOUSE":
        session.warehouse = name
    elif kind in ("ROLE", "SECONDARY ROLES"):
        session.role = name
    elif kind == "DATABASE" or (not kind and parent is None):
        if name not in session.engine.databases():
            raise does_not_exist("Database", name)
        use_schema(session, name, "PUBLIC" if "PUBLIC" in session.engine.schemas(name) else None)
    else:
        database = parent or session.database
        if database is None or name not in [*session.engine.schemas(database), "INFORMATION_SCHEMA"]:
            raise does_not_exist("Schema", name)
        use_schema(session, database, name)
    return status("Statement executed successfully.", 0x4300)


def use_schema(session: Session, database: str, schema: str | None) -> None:
    stored = "_fs_information_schema" if schema == "INFORMATION_SCHEMA" else schema or "main"
    session.duck.execute(f"SET schema = {dialect.literal(f'{dialect.quote(database)}.{dialect.quote(stored)}')}")
    connection = session.connection
    connection.database, connection.database_set = database, True
    connection._schema = "_FS_INFORMATION_SCHEMA" if schema == "INFORMATION_SCHEMA" else schema  # noqa: SLF001
    connection.schema_set = schema is not None


def is_temporary(statement: exp.Create) -> bool:
    properties = statement.args.get("properties")
    return bool(properties and properties.find(exp.TemporaryProperty))


def create_like(session: Session, statement: exp.Create) -> Result | None:
    """CREATE TABLE ... LIKE and ... CLONE with the columns' types, NOT NULL, defaults and keys; None otherwise."""
    properties = statement.args.get("properties")
    like = properties.find(exp.LikeProperty) if properties else None
    clone = statement.args.get("clone")
    if like is None and clone is None:
        return None
    source = tables.find(session, (like or clone).this)  # type: ignore[union-attr]
    target = statement.this
    name = tables.full_name(session, target)
    temporary = is_temporary(statement)
    definitions = ", ".join(
        dialect.quote(column.name)
        + f" {column.type}"
        + ("" if column.nullable else " NOT NULL")
        + (f" DEFAULT {column.default}" if column.default else "")
        for column in source.columns
    )
    place = f"temp.main.{dialect.quote(name[2])}" if temporary else ".".join(map(dialect.quote, name))
    exists = table_exists(session, name)
    if exists and statement.args.get("exists"):
        return status(f"{name[2]} already exists, statement succeeded.", DDL_TYPE)
    if exists and not statement.args.get("replace"):
        raise already_exists(".".join(name))
    create = f"CREATE TABLE {place} ({definitions})"
    session.duck.execute("BEGIN")
    try:
        if clone is not None and exists and source.sql == place:
            raise unsupported("CREATE OR REPLACE TABLE x CLONE x")
        if exists:
            session.duck.execute(f"DROP TABLE {place}")
        session.duck.execute(create)
        if clone is not None:
            session.duck.execute(f"INSERT INTO {place} SELECT * FROM {source.sql}")
        if source.keys:
            session.duck.execute(f"COMMENT ON TABLE {place} IS {dialect.literal(json.dumps({'keys': source.keys}))}")
        if not temporary:
            load_history.forget(session, *name)
        session.duck.execute("COMMIT")
    except BaseException:
        session.duck.execute("ROLLBACK")
        raise
    if temporary:
        session.temporary_tables.add(name)
    _copy_lengths(session, source, name)
    return status(f"Table {name[2]} successfully created.", DDL_TYPE)


def _copy_lengths(session: Session, source: tables.Table, name: tuple[str, str, str]) -> None:
    catalog = "_fs_global._fs_information_schema._fs_columns_ext"
    session.duck.execute(f"DELETE FROM {catalog} WHERE ext_table_catalog = ? AND ext_table_schema = ? AND ext_table_name = ?", list(name))
    session.duck.execute(
        f"INSERT INTO {catalog} SELECT ?, ?, ?, ext_column_name, ext_character_maximum_length, ext_character_octet_length "
        f"FROM {catalog} WHERE ext_table_catalog = ? AND ext_table_schema = ? AND ext_table_name = ?",
        [*name, source.database, source.schema, source.name],
    )


def table_exists(session: Session, name: tuple[str, str, str]) -> bool:
    if name in session.temporary_tables:
        return True
    query = "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? AND table_name = ?"
    return session.duck.execute(query, list(name)).fetchone() is not None


def take_keys(statement: exp.Create) -> list[dict[str, Any]]:
    """Removes key constraints from a CREATE TABLE and returns them.

    Snowflake records PRIMARY KEY, UNIQUE and FOREIGN KEY without enforcing them; DuckDB would enforce them.
    Primary key columns become NOT NULL, which Snowflake does enforce.
    """
    schema = statement.this
    if not isinstance(schema, exp.Schema):
        return []
    found: list[dict[str, Any]] = []
    primary: set[str] = set()
    kept: list[exp.Expression] = []
    for item in schema.expressions:
        inner = item.expressions[0] if isinstance(item, exp.Constraint) and item.expressions else item
        kind = next((label for cls, label in _KEY_KINDS.items() if isinstance(inner, cls)), None)
        if kind is None:
            kept.append(item)
            continue
        names = [dialect.identifier(part.this if isinstance(part, exp.Ordered) else part) for part in _key_parts(inner)]
        constraint = item.name if isinstance(item, exp.Constraint) else None
        found.append({"kind": kind, "columns": names, "name": constraint})
        if kind == "PRIMARY KEY":
            primary.update(names)
    for column in kept:
        if not isinstance(column, exp.ColumnDef):
            continue
        constraints: list[exp.Expression] = []
        for constraint in column.args.get("constraints") or []:
            if isinstance(constraint.kind, exp.PrimaryKeyColumnConstraint):
                found.append({"kind": "PRIMARY KEY", "columns": [dialect.identifier(column.this)], "name": None})
                primary.add(dialect.identifier(column.this))
            elif isinstance(constraint.kind, exp.UniqueColumnConstraint):
                found.append({"kind": "UNIQUE", "columns": [dialect.identifier(column.this)], "name": None})
            elif not isinstance(constraint.kind, exp.Reference) and not isinstance(constraint, exp.Reference):
                constraints.append(constraint)
        if dialect.identifier(column.this) in primary and not any(isinstance(c.kind, exp.NotNullColumnConstraint) for c in constraints):
            constraints.append(exp.ColumnConstraint(kind=exp.NotNullColumnConstraint()))
        column.set("constraints", constraints)
    schema.set("expressions", kept)
    return found


def _key_parts(node: exp.Expression) -> list[exp.Expression]:
    if node.expressions:
        return list(node.expressions)
    return list(node.this.expressions) if isinstance(node.this, exp.Expression) else []


def record_keys(session: Session, name: tuple[str, str, str], keys: list[dict[str, Any]]) -> None:
    if keys:
        target = ".".join(map(dialect.quote, name))
        session.duck.execute(f"COMMENT ON TABLE {target} IS {dialect.literal(json.dumps({'keys': keys}))}")


def drop_table(session: Session, statement: exp.Drop) -> Result:
    """DROP TABLE [IF EXISTS]; a temporary table hides the permanent one of the same name."""
    reference = statement.find(exp.Table)
    if reference is None:
        raise unsupported("DROP TABLE without a name")
    name = tables.full_name(session, reference)
    if not table_exists(session, name):
        if statement.args.get("exists"):
            return status(f"Drop statement executed successfully ({name[2]} already dropped).", DDL_TYPE)
        raise does_not_exist("Table", ".".join(name))
    table = tables.find(session, reference)
    session.duck.execute(f"DROP TABLE {table.sql}")
    load_history.forget_table(session, table)
    session.temporary_tables.discard(name)
    return status(f"{name[2]} successfully dropped.", DDL_TYPE)


def rename_table(session: Session, reference: exp.Table, target: exp.Table) -> Result:
    """ALTER TABLE a RENAME TO b within one schema; the load history goes along."""
    table = tables.find(session, reference)
    name = tables.full_name(session, target)
    if table.temporary or name[:2] != (table.database, table.schema):
        raise unsupported("RENAME of a temporary table or to another schema")
    session.duck.execute("BEGIN")
    try:
        session.duck.execute(f"ALTER TABLE {table.sql} RENAME TO {dialect.quote(name[2])}")
        load_history.rename(session, table.database, table.schema, table.name, name[2])
        session.duck.execute("COMMIT")
    except BaseException:
        session.duck.execute("ROLLBACK")
        raise
    return status("Statement executed successfully.", DDL_TYPE)


_SWAP = re.compile(r'^\s*ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?((?:"[^"]+"|[^\s"])+)\s+SWAP\s+WITH\s+((?:"[^"]+"|[^\s;"])+)', re.I)


def swap(session: Session, sql: str) -> Result | None:
    """ALTER TABLE a SWAP WITH b: rows, columns, keys and load history change places in one transaction."""
    match = _SWAP.match(sql)
    if not match:
        return None
    first, second = (tables.find(session, exp.to_table(text, dialect="snowflake")) for text in match.groups())
    if first.temporary or second.temporary or (first.database, first.schema) != (second.database, second.schema):
        raise unsupported("SWAP WITH of temporary tables or across schemas")
    between = f'{dialect.quote(first.database)}.{dialect.quote(first.schema)}."_front_swap"'
    session.duck.execute("BEGIN")
    try:
        session.duck.execute(f'ALTER TABLE {first.sql} RENAME TO "_front_swap"')
        session.duck.execute(f"ALTER TABLE {second.sql} RENAME TO {dialect.quote(first.name)}")
        session.duck.execute(f"ALTER TABLE {between} RENAME TO {dialect.quote(second.name)}")
        load_history.swap(session, first, second)
        session.duck.execute("COMMIT")
    except BaseException:
        session.duck.execute("ROLLBACK")
        raise
    return status("Statement executed successfully.", DDL_TYPE)
