"""The SQL engine: fakesnow over DuckDB, its databases in files, opened again at every start."""

from __future__ import annotations

import re
import shutil
import threading
import warnings
from collections import OrderedDict
from importlib import resources

import duckdb
from fakesnow import info_schema, macros
from fakesnow.conn import FakeSnowflakeConnection
from fakesnow.instance import GLOBAL_DATABASE_NAME, FakeSnow
from fakesnow.transforms import show

from . import dialect
from .errors import SnowflakeError, already_exists, does_not_exist, unsupported
from .locks import WriteLock
from .settings import Settings

_CATALOG = f"""
CREATE TABLE IF NOT EXISTS {GLOBAL_DATABASE_NAME}._fs_information_schema._front_stages (
    database_name VARCHAR, schema_name VARCHAR, name VARCHAR, options JSON,
    PRIMARY KEY (database_name, schema_name, name));
"""

_LOAD_HISTORY = """
CREATE TABLE IF NOT EXISTS {database}._fs_information_schema._front_load_history (
    schema_name VARCHAR, table_name VARCHAR, file_name VARCHAR, etag VARCHAR,
    last_load_time TIMESTAMP, status VARCHAR, row_count BIGINT, row_parsed BIGINT);
"""

_STREAMS = """
CREATE TABLE IF NOT EXISTS {database}._fs_information_schema._front_streams (
    schema_name VARCHAR, name VARCHAR, table_schema VARCHAR, table_name VARCHAR, stream_offset BIGINT);
"""

_PROCEDURES = """
CREATE TABLE IF NOT EXISTS {database}._fs_information_schema._front_procedures (
    schema_name VARCHAR, name VARCHAR, arguments VARCHAR[][], body VARCHAR);
"""

# fakesnow's view, with Snowflake's names for the types it passes through and the columns it leaves out.
_INTEGERS = "columns.data_type in ('BIGINT', 'HUGEINT', 'INTEGER', 'SMALLINT', 'TINYINT', 'UBIGINT')"
_VIEW_CHANGES = [
    (
        "else columns.data_type end as DATA_TYPE",
        f"when {_INTEGERS} then 'NUMBER' else columns.data_type end as DATA_TYPE",
    ),
    ("columns.data_type='BIGINT' then 38", f"{_INTEGERS} then 38"),
    (
        "ext_character_maximum_length as CHARACTER_MAXIMUM_LENGTH, ext_character_octet_length as CHARACTER_OCTET_LENGTH",
        "case columns.data_type when 'VARCHAR' then coalesce(ext_character_maximum_length, 16777216) "
        "when 'BLOB' then 8388608 end as CHARACTER_MAXIMUM_LENGTH, "
        "case columns.data_type when 'VARCHAR' then coalesce(ext_character_octet_length, 16777216) "
        "when 'BLOB' then 8388608 end as CHARACTER_OCTET_LENGTH, "
        "case when columns.data_type like 'TIME%' then 9 end as DATETIME_PRECISION",
    ),
    (
        "case when columns.data_type='DOUBLE' then NULL else columns.numeric_scale end",
        f"case when columns.data_type='DOUBLE' then NULL when {_INTEGERS} then 0 else columns.numeric_scale end",
    ),
]


class _NoResultCache(OrderedDict[str, tuple[object, ...]]):
    """fakesnow keeps every result for ever; this keeps none (RESULT_SCAN is refused by name)."""

    def __setitem__(self, key: str, value: tuple[object, ...]) -> None:
        return None


class Engine(FakeSnow):
    """One account: every database file below the data directory, attached to one DuckDB instance."""

    def __init__(self, settings: Settings) -> None:
        # The parent's constructor is not called: it keeps the account's catalog in memory only.
        warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")
        dialect.install()
        self.settings = settings
        self.create_database_on_connect = False
        self.create_schema_on_connect = False
        self.db_path = settings.databases
        self.nop_regexes = None
        self.results_cache = _NoResultCache()
        self.write_lock = WriteLock()
        self._guard = threading.Lock()
        for directory in (settings.databases, settings.stages):
            directory.mkdir(parents=True, exist_ok=True)
        for directory in (settings.work, settings.stages / "bind"):
            shutil.rmtree(directory, ignore_errors=True)
        settings.work.mkdir()
        self.duck_conn = duckdb.connect(
            ":memory:",
            config={
                "lambda_syntax": "ENABLE_SINGLE_ARROW",
                "memory_limit": "2GB",
                "temp_directory": str(settings.work / "spill"),
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            },
        )
        self.duck_conn.execute(f"ATTACH '{settings.databases / 'account.catalog'}' AS {GLOBAL_DATABASE_NAME}")
        self.duck_conn.execute(_without_columns_view(info_schema.fs_global_creation_sql()))
        self.duck_conn.execute(_columns_view())
        self.duck_conn.execute(show.fs_global_creation_sql())
        self.duck_conn.execute(_CATALOG)
        self._forget_temporary_stages()
        self.duck_conn.execute(resources.files(__package__).joinpath("functions.sql").read_text())
        self.duck_conn.execute("SET GLOBAL TimeZone = 'UTC'")
        for file in sorted(settings.databases.glob("*.db")):
            self._attach(file.stem)

    def connect_session(self, database: str | None, schema: str | None) -> FakeSnowflakeConnection:
        """A connection of its own; a database or schema that does not exist is left unset, as Snowflake does."""
        with self._guard:
            database = database.strip('"').upper() if database else None
            schema = schema.strip('"').upper() if schema else None
            if database and database not in self.databases():
                database = None
            if database:
                known = self.schemas(database)
                schema = schema or "PUBLIC"
                schema = schema if schema in known or schema == "INFORMATION_SCHEMA" else None
            else:
                schema = None
            return self.connect(database, schema)

    def databases(self) -> list[str]:
        rows = self.duck_conn.cursor().execute("SELECT database_name FROM duckdb_databases() WHERE NOT internal").fetchall()
        return [name for (name,) in rows if name not in ("memory", GLOBAL_DATABASE_NAME)]

    def schemas(self, database: str) -> list[str]:
        query = "SELECT schema_name FROM duckdb_schemas() WHERE database_name = ?"
        return [name for (name,) in self.duck_conn.cursor().execute(query, [database]).fetchall()]

    def create_database(self, name: str, replace: bool, if_not_exists: bool) -> bool:
        """Creates the database's file and its PUBLIC schema; returns whether it is new."""
        if not re.fullmatch(r"[A-Z_][A-Z0-9_$]*", name) or name in ("MEMORY", "SYSTEM", "TEMP"):
            raise unsupported(f"database name {name}: only unquoted names")
        with self._guard:
            if name in self.databases():
                if if_not_exists:
                    return False
                if not replace:
                    raise already_exists(name)
                self._drop(name)
            self._attach(name)
            return True

    def drop_database(self, name: str, if_exists: bool) -> None:
        with self._guard:
            if name not in self.databases():
                if if_exists:
                    return
                raise does_not_exist("Database", name)
            self._drop(name)

    def close(self) -> None:
        """Writes everything from the logs into the database files and lets go of them."""
        cursor = self.duck_conn.cursor()
        for name in [*self.databases(), GLOBAL_DATABASE_NAME]:
            try:
                cursor.execute(f"CHECKPOINT {name}")
            except duckdb.Error:
                pass  # a transaction is still open: the write-ahead log has what was committed
        cursor.close()
        self.duck_conn.close()

    def _attach(self, name: str) -> None:
        cursor = self.duck_conn.cursor()
        cursor.execute(f"ATTACH '{self.settings.databases / name}.db' AS {name}")
        cursor.execute(info_schema.per_db_creation_sql(name))
        cursor.execute(macros.creation_sql(name))
        cursor.execute(_LOAD_HISTORY.format(database=name))
        cursor.execute(_STREAMS.format(database=name))
        cursor.execute(_PROCEDURES.format(database=name))
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {name}.PUBLIC")
        # The log would be replayed at the next start before the account's catalog could be looked up.
        cursor.execute(f"CHECKPOINT {name}")

    def _forget_temporary_stages(self) -> None:
        """Temporary stages of sessions that a killed process could not close."""
        stages = f"{GLOBAL_DATABASE_NAME}._fs_information_schema._fs_stages"
        temporary = "type LIKE '%TEMPORARY'"
        query = f"SELECT database_name, schema_name, name FROM {stages} WHERE {temporary}"
        for key in self.duck_conn.execute(query).fetchall():
            shutil.rmtree(self.settings.stages.joinpath("named", *key), ignore_errors=True)
        self.duck_conn.execute(f"DELETE FROM {stages} WHERE {temporary}")

    def _drop(self, name: str) -> None:
        try:
            self.duck_conn.cursor().execute(f"DETACH {name}")
        except duckdb.Error as error:
            raise SnowflakeError("002003", f"Database '{name}' is in use by a session: {error}", "55006") from error
        for file in self.settings.databases.glob(f"{name}.db*"):
            file.unlink()
        cursor = self.duck_conn.cursor()
        for table in ("_fs_stages", "_front_stages"):
            cursor.execute(f"DELETE FROM {GLOBAL_DATABASE_NAME}._fs_information_schema.{table} WHERE database_name = ?", [name])
        for kind in ("named", "table"):
            shutil.rmtree(self.settings.stages / kind / name, ignore_errors=True)


def _columns_view() -> str:
    view = info_schema.SQL_CREATE_GLOBAL_INFORMATION_SCHEMA_COLUMNS_VIEW
    for before, after in _VIEW_CHANGES:
        if before not in view:
            raise RuntimeError(f"fakesnow changed its columns view: {before!r} is not in it")
        view = view.replace(before, after)
    return view.replace("create view if not exists", "create or replace view")


def _without_columns_view(script: str) -> str:
    return script.replace(info_schema.SQL_CREATE_GLOBAL_INFORMATION_SCHEMA_COLUMNS_VIEW, "SELECT 1")
