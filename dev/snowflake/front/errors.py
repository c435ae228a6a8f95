"""Snowflake's error shape, and the translation of engine errors into Snowflake's codes and messages."""

from __future__ import annotations

import re
from collections.abc import Callable

import duckdb
import snowflake.connector.errors as connector_errors
from sqlglot.errors import ParseError, SqlglotError


class SnowflakeError(Exception):
    """An error as a Snowflake client sees it: six-digit code, message, SQL state."""

    def __init__(self, code: str, message: str, sql_state: str = "42000") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.sql_state = sql_state


def unsupported(feature: str) -> SnowflakeError:
    """The stand-in cannot do this; Snowflake's own code for a feature that is not there."""
    return SnowflakeError("000002", f"Unsupported feature '{feature}'.", "0A000")


def does_not_exist(kind: str, name: str) -> SnowflakeError:
    state = "42S02" if kind in ("Object", "Table") else "02000"
    return SnowflakeError("002003", f"SQL compilation error:\n{kind} '{name}' does not exist or not authorized.", state)


def already_exists(name: str) -> SnowflakeError:
    return SnowflakeError("002002", f"SQL compilation error:\nObject '{name}' already exists.", "42710")


def no_current(kind: str) -> SnowflakeError:
    """The session has no current database (090105) or schema (090106)."""
    code = "090105" if kind == "database" else "090106"
    message = (
        f"Cannot perform operation. This session does not have a current {kind}. "
        f"Call 'USE {kind.upper()}', or use a qualified name."
    )
    return SnowflakeError(code, message, "22000")


def cancelled() -> SnowflakeError:
    return SnowflakeError("000604", "SQL execution canceled", "57014")


Translation = tuple[re.Pattern[str], Callable[[re.Match[str]], SnowflakeError]]

# DuckDB's wording -> Snowflake's code. The first pattern that matches wins.
_TRANSLATIONS: list[Translation] = [
    (
        re.compile(r"(?:Table|View|Macro) with name (\S+) does not exist", re.I),
        lambda m: does_not_exist("Object", m[1].upper()),
    ),
    (
        re.compile(r"(?:Scalar|Table|Aggregate|Window)?\s*Function with name (\S+) does not exist", re.I),
        lambda m: SnowflakeError("002140", f"SQL compilation error:\nUnknown function {m[1].upper()}", "42601"),
    ),
    (re.compile(r"Schema with name (\S+) does not exist", re.I), lambda m: does_not_exist("Schema", m[1])),
    (re.compile(r'Catalog "([^"]+)" does not exist', re.I), lambda m: does_not_exist("Database", m[1])),
    (
        re.compile(r'(?:Referenced column|column) "([^"]+)" (?:not found|does not exist)|does not have a column (?:with name|named) "([^"]+)"', re.I),
        lambda m: SnowflakeError("000904", f"SQL compilation error: error line 1 at position 0\ninvalid identifier '{m[1] or m[2]}'"),
    ),
    (
        re.compile(r'(?:Table|View|Schema|Type|Index|Macro) with name "([^"]+)" already exists', re.I),
        lambda m: already_exists(m[1]),
    ),
    (
        re.compile(r"NOT NULL constraint failed: (\S+)", re.I),
        lambda m: SnowflakeError("100072", f"NULL result in a non-nullable column ({m[1]})", "22000"),
    ),
    (
        re.compile(r"cannot affect the same target row more than once", re.I),
        lambda m: SnowflakeError("100090", "Duplicate row detected during DML action", "42P18"),
    ),
    (
        re.compile(r"has (\d+) columns but (\d+) values were supplied|expected (\d+) values, got (\d+)", re.I),
        lambda m: SnowflakeError(
            "002020",
            f"SQL compilation error:\nInsert value list does not match column list expecting {m[1] or m[3]} but got {m[2] or m[4]}",
            "21S01",
        ),
    ),
    (
        re.compile(r"(?:invalid timestamp field format|timestamp field value out of range): \"(.*?)\"", re.I),
        lambda m: SnowflakeError("100035", f"Timestamp '{m[1]}' is not recognized", "22007"),
    ),
    (
        re.compile(r"(?:invalid date field format|date field value out of range): \"(.*?)\"", re.I),
        lambda m: SnowflakeError("100040", f"Date '{m[1]}' is not recognized", "22007"),
    ),
    (
        re.compile(r"Could not convert string ['\"](.*?)['\"] to BOOL", re.I),
        lambda m: SnowflakeError("100037", f"Boolean value '{m[1]}' is not recognized", "22018"),
    ),
    (
        re.compile(r"Could not convert string ['\"](.*?)['\"] to (?:INT|UINT|HUGEINT|DECIMAL|DOUBLE|FLOAT|BIGINT)", re.I),
        lambda m: SnowflakeError("100038", f"Numeric value '{m[1]}' is not recognized", "22018"),
    ),
    (
        re.compile(r"Division by zero", re.I),
        lambda m: SnowflakeError("100051", "Division by zero", "22012"),
    ),
    (
        re.compile(r"(?:Could not cast value|out of range|Overflow).*", re.I | re.S),
        lambda m: SnowflakeError("100132", f"Numeric value is out of range: {m[0].splitlines()[0]}", "22003"),
    ),
]


def _from_text(text: str, fallback: SnowflakeError) -> SnowflakeError:
    for pattern, make in _TRANSLATIONS:
        if match := pattern.search(text):
            return make(match)
    return fallback


def to_snowflake_error(error: BaseException) -> SnowflakeError:
    """The error a client should see for anything raised while a statement ran."""
    if isinstance(error, SnowflakeError):
        return error
    cause = error.__cause__
    if isinstance(error, connector_errors.Error) and isinstance(cause, duckdb.Error):
        error = cause
    if isinstance(error, duckdb.InterruptException):
        return cancelled()
    if isinstance(error, (ParseError, SqlglotError, duckdb.ParserException)):
        text = re.sub(r"\x1b\[\d+m", "", str(error)).splitlines()[0]
        return SnowflakeError("001003", f"SQL compilation error:\nsyntax error: {text}")
    if isinstance(error, connector_errors.Error):
        code = f"{error.errno:06d}" if error.errno and error.errno > 0 else "100000"
        message = str(getattr(error, "raw_msg", None) or error.msg or error)
        if code == "009999":
            return unsupported(message.split(" not implemented")[0])
        if code == "001003":
            return SnowflakeError(code, f"SQL compilation error:\nsyntax error: {message.splitlines()[0]}")
        return SnowflakeError(code, message, error.sqlstate or "42000")
    if isinstance(error, duckdb.NotImplementedException):
        return unsupported(str(error).splitlines()[0])
    if isinstance(error, duckdb.ConstraintException):
        return _from_text(str(error), SnowflakeError("100072", str(error).splitlines()[0], "22000"))
    if isinstance(error, duckdb.BinderException):
        return _from_text(str(error), SnowflakeError("002043", f"SQL compilation error:\n{str(error).splitlines()[0]}", "02000"))
    if isinstance(error, duckdb.Error):
        return _from_text(str(error), SnowflakeError("100038", str(error).splitlines()[0], "22018"))
    if isinstance(error, NotImplementedError):
        return unsupported(str(error))
    return SnowflakeError("300002", f"Internal error of the stand-in: {type(error).__name__}: {error}", "XX000")


def error_body(error: SnowflakeError, query_id: str | None = None) -> dict[str, object]:
    """The JSON answer of a failed statement."""
    return {
        "data": {
            "errorCode": error.code,
            "sqlState": error.sql_state,
            "queryId": query_id,
            "internalError": False,
            "line": -1,
            "pos": -1,
            "type": "COMPILATION",
        },
        "code": error.code,
        "message": error.message,
        "success": False,
        "headers": None,
    }
