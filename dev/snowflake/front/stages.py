"""Stages: where `@name/path` points, which files are there, CREATE/DROP STAGE, LIST and REMOVE."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlglot import exp

from . import dialect, external_files
from .errors import SnowflakeError, already_exists, does_not_exist, no_current, unsupported
from .results import Result, number_column, status, text_column
from .sessions import Session

_CATALOG = "_fs_global._fs_information_schema"
SELECT_TYPE, DDL_TYPE = 0x1000, 0x6000


@dataclass(frozen=True)
class Location:
    """A resolved `@stage/path`: a local directory or an s3:// address, and the path below it."""

    stage: str
    directory: Path
    path: str
    url: str | None = None
    options: dict[str, Any] | None = None

    @property
    def direct(self) -> bool:
        """An address of its own, without a stage that was created for it."""
        return self.url is not None and self.stage == self.url

    @property
    def external(self) -> bool:
        return self.url is not None


@dataclass(frozen=True)
class StageFile:
    """A file of a stage: `relative` is its path below the stage's root."""

    relative: str
    local: Path


def _parts(name: str) -> list[str]:
    found = re.findall(r'"((?:[^"]|"")+)"|([^."]+)', name)
    return [quoted.replace('""', '"') if quoted else plain.upper() for quoted, plain in found]


def resolve(session: Session, reference: str, access: dict[str, Any] | None = None) -> Location:
    """Where a stage reference points; raises 002003 when the stage does not exist. `access` opens an external location."""
    reference = reference.strip().strip("'")
    if reference.startswith(external_files.SCHEMES):
        return Location(reference, session.engine.settings.stages / "external" / "direct", "", reference, access or {})
    match = re.fullmatch(r'@((?:"(?:[^"]|"")+"|[^/"])+)(?:/(.*))?', reference, re.S)
    if not match:
        raise SnowflakeError("001011", f"SQL compilation error:\ninvalid URL prefix found in: '{reference}'", "42601")
    name, path = match[1], match[2] or ""
    if ".." in Path(path).parts:
        raise SnowflakeError("001011", f"SQL compilation error:\ninvalid path in: '{reference}'", "42601")
    root = session.engine.settings.stages
    if name == "~":
        return Location("~", root / "user" / session.user, path)
    parts = _parts(name)
    database, schema, stage = [*[session.database, session.schema][: 3 - len(parts)], *parts]
    if database is None or schema is None:
        raise no_current("database" if not database else "schema")
    if stage.startswith("%"):
        return Location(stage, root / "table" / database / schema / stage[1:].strip('"'), path)
    if stage == "SYSTEM$BIND":
        return Location(stage, root / "bind" / str(session.id), path)
    cursor = session.engine.duck_conn.cursor()
    row = cursor.execute(
        f"SELECT s.url, o.options FROM {_CATALOG}._fs_stages s "
        f"LEFT JOIN {_CATALOG}._front_stages o USING (database_name, schema_name, name) "
        "WHERE database_name = ? AND schema_name = ? AND name = ?",
        [database, schema, stage],
    ).fetchone()
    if row is None:
        raise does_not_exist("Stage", f"{database}.{schema}.{stage}")
    options = json.loads(row[1]) if row[1] else {}
    directory = root / "named" / database / schema / stage
    return Location(stage, directory, path, row[0] or None, options)


def files(session: Session, location: Location) -> list[StageFile]:
    """The stage's files whose path starts with the location's path (a prefix, as in Snowflake), sorted."""
    if location.url is not None:
        pulled = external_files.pull(session.engine.settings, location.url, location.path, location.options or {})
        return [StageFile(key, file) for key, file in pulled]
    found = [
        StageFile(file.relative_to(location.directory).as_posix(), file)
        for file in sorted(location.directory.rglob("*"))
        if file.is_file() and ".part-" not in file.relative_to(location.directory).as_posix()
    ]
    return [file for file in found if file.relative.startswith(location.path)]


def matching(found: list[StageFile], pattern: str | None) -> list[StageFile]:
    """Keeps the files whose whole path matches the regular expression."""
    if not pattern:
        return found
    expression = re.compile(pattern)
    return [file for file in found if expression.fullmatch(file.relative)]


def create(session: Session, statement: exp.Create, sql: str) -> Result:
    """CREATE [OR REPLACE] [TEMPORARY] STAGE [IF NOT EXISTS] name [URL=] [CREDENTIALS=] [FILE_FORMAT=]."""
    table = statement.find(exp.Table)
    if table is None:
        raise unsupported("CREATE STAGE without a name")
    key = _key(session, table)
    temporary = bool(re.match(r"\s*CREATE\s+(OR\s+REPLACE\s+)?TEMP(ORARY)?\b", sql, re.I))
    url = re.search(r"\bURL\s*=\s*'([^']*)'", sql, re.I)
    if url and not url[1].startswith(external_files.SCHEMES):
        raise unsupported(f"stage URL {url[1].split(':')[0]}://")
    options = {
        name.lower(): found[1]
        for name in ("AWS_KEY_ID", "AWS_SECRET_KEY", "AWS_TOKEN", "AZURE_SAS_TOKEN")
        if (found := re.search(rf"\b{name}\s*=\s*'([^']*)'", sql, re.I))
    }
    if file_format := re.search(r"\bFILE_FORMAT\s*=\s*(\((?:[^()']|'[^']*'|\([^()]*\))*\))", sql, re.I):
        options["file_format"] = file_format[1]
    cursor = session.engine.duck_conn.cursor()
    where = "WHERE database_name = ? AND schema_name = ? AND name = ?"
    exists = cursor.execute(f"SELECT 1 FROM {_CATALOG}._fs_stages {where}", list(key)).fetchone()
    if exists and statement.args.get("exists"):
        return status(f"{key[2]} already exists, statement succeeded.", DDL_TYPE)
    if exists and not statement.args.get("replace"):
        raise already_exists(key[2])
    _forget(session, key)
    kind = ("EXTERNAL" if url else "INTERNAL") + (" TEMPORARY" if temporary else "")
    cursor.execute(
        f"INSERT INTO {_CATALOG}._fs_stages (created_on, database_name, schema_name, name, url, type, owner, comment, "
        "has_credentials, has_encryption_key, cloud, owner_role_type, directory_enabled) "
        "VALUES (now(), ?, ?, ?, ?, ?, 'SYSADMIN', '', ?, 'N', ?, 'ROLE', 'N')",
        [*key, url[1] if url else "", kind, "Y" if options.keys() & {"aws_key_id", "azure_sas_token"} else "N", _cloud(url[1]) if url else None],
    )
    cursor.execute(f"INSERT INTO {_CATALOG}._front_stages VALUES (?, ?, ?, ?)", [*key, json.dumps(options)])
    if temporary:
        session.temporary_stages.add(key)
    return status(f"Stage area {key[2]} successfully created.", DDL_TYPE)


def _cloud(url: str) -> str:
    return "AZURE" if url.startswith("azure://") else "AWS"


def drop(session: Session, statement: exp.Drop) -> Result:
    table = statement.find(exp.Table)
    if table is None:
        raise unsupported("DROP STAGE without a name")
    key = _key(session, table)
    if not _forget(session, key):
        if statement.args.get("exists"):
            return status("Drop statement executed successfully (" + key[2] + " already dropped).", DDL_TYPE)
        raise does_not_exist("Stage", ".".join(key))
    return status(f"{key[2]} successfully dropped.", DDL_TYPE)


def _forget(session: Session, key: tuple[str, str, str]) -> bool:
    cursor = session.engine.duck_conn.cursor()
    found = 0
    for table in ("_front_stages", "_fs_stages"):
        row = cursor.execute(
            f"DELETE FROM {_CATALOG}.{table} WHERE database_name = ? AND schema_name = ? AND name = ?", list(key)
        ).fetchone()
        found = int(row[0]) if row else 0
    shutil.rmtree(session.engine.settings.stages / "named" / Path(*key), ignore_errors=True)
    session.temporary_stages.discard(key)
    return found > 0


def _key(session: Session, table: exp.Table) -> tuple[str, str, str]:
    database = dialect.identifier(table.args["catalog"]) if table.args.get("catalog") else session.database
    schema = dialect.identifier(table.args["db"]) if table.args.get("db") else session.schema
    if not database or not schema:
        raise no_current("database" if not database else "schema")
    return database, schema, dialect.identifier(table)


_LIST = re.compile(r"^\s*(LIST|LS|REMOVE|RM)\s+('@[^']*'|@(?:\"(?:[^\"]|\"\")+\"|[^\s;])+)(.*)$", re.I | re.S)


def list_or_remove(session: Session, sql: str) -> Result | None:
    """LIST and REMOVE, or None when the statement is neither."""
    match = _LIST.match(sql)
    if not match:
        return None
    location = resolve(session, match[2])
    pattern = re.search(r"\bPATTERN\s*=\s*'([^']*)'", match[3], re.I)
    expression = pattern[1].replace("\\\\", "\\") if pattern else None
    found = files(session, location)
    if expression:
        found = [file for file in found if re.fullmatch(expression, display(location, file))]
    if match[1].upper() in ("REMOVE", "RM"):
        for file in found:
            remove(session, location, file)
        rows: list[list[str | None]] = [[display(location, file), "removed"] for file in found]
        return Result([text_column("name"), text_column("result")], rows, SELECT_TYPE)
    rows = [
        [
            display(location, file),
            str(file.local.stat().st_size),
            etag(file.local),
            time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(file.local.stat().st_mtime)),
        ]
        for file in found
    ]
    columns = [text_column("name"), number_column("size"), text_column("md5"), text_column("last_modified")]
    return Result(columns, rows, SELECT_TYPE)


def display(location: Location, file: StageFile) -> str:
    """The name LIST and COPY show: below the stage's name (internal) or the bucket's address (external)."""
    if location.url is not None:
        return f"{location.url.rstrip('/')}/{file.relative}"
    if location.stage.startswith(("~", "%")):
        return file.relative
    return f"{location.stage.lower()}/{file.relative}"


def remove(session: Session, location: Location, file: StageFile) -> None:
    file.local.unlink(missing_ok=True)
    if location.url is not None:
        external_files.delete(session.engine.settings, location.url, file.relative, location.options or {})


_etags: dict[tuple[str, int, int], str] = {}


def etag(file: Path) -> str:
    """MD5 of the content, remembered until the file changes."""
    stat = file.stat()
    key = (str(file), stat.st_mtime_ns, stat.st_size)
    if key not in _etags:
        if len(_etags) > 10_000:
            _etags.clear()
        with file.open("rb") as stream:
            _etags[key] = hashlib.file_digest(stream, "md5").hexdigest()
    return _etags[key]
