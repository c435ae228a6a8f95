"""ALTER SESSION: parameters that the stand-in honours, and the refusal of those it would have to fake."""

from __future__ import annotations

import re

import duckdb

from .errors import SnowflakeError, unsupported
from .results import Result, status
from .sessions import Session

# Kept and reported, but without influence on what a statement does or returns here.
_RECORDED = {
    "QUERY_TAG",
    "USE_CACHED_RESULT",
    "ABORT_DETACHED_QUERY",
    "JSON_INDENT",
    "LOCK_TIMEOUT",
    "MULTI_STATEMENT_COUNT",
    "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS",
}
# Only the value that describes what the stand-in does anyway.
_FIXED = {
    "BINARY_INPUT_FORMAT": "HEX",
    "BINARY_OUTPUT_FORMAT": "HEX",
    "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
    "ERROR_ON_NONDETERMINISTIC_MERGE": "TRUE",
    "QUOTED_IDENTIFIERS_IGNORE_CASE": "FALSE",
    "ERROR_ON_NONDETERMINISTIC_UPDATE": "FALSE",
    "DATE_OUTPUT_FORMAT": "YYYY-MM-DD",
    "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT": "JSON",
}
_ALTER = re.compile(r"^\s*ALTER\s+SESSION\s+(SET|UNSET)\s+(.*?);?\s*$", re.I | re.S)
_ASSIGNMENT = re.compile(r"(\w+)\s*=\s*('(?:[^']|'')*'|[\w.+-]+)")


def alter_session(session: Session, sql: str) -> Result | None:
    """ALTER SESSION SET/UNSET, or None for another statement."""
    match = _ALTER.match(sql)
    if not match:
        return None
    if match[1].upper() == "UNSET":
        for name in re.findall(r"\w+", match[2].upper()):
            session.parameters.pop(name, None)
            if name == "TIMEZONE":
                session.duck.execute("SET TimeZone = 'UTC'")
            if name == "AUTOCOMMIT":
                set_autocommit(session, True)
    else:
        for name, raw in _ASSIGNMENT.findall(match[2]):
            value = raw[1:-1].replace("''", "'") if raw.startswith("'") else raw
            _set(session, name.upper(), value)
    return status("Statement executed successfully.", 0x4000)


def set_autocommit(session: Session, value: bool) -> None:
    if value and session.transactions.active:
        session.transactions.commit()
    session.transactions.autocommit = value


def _set(session: Session, name: str, value: str) -> None:
    if name == "AUTOCOMMIT":
        set_autocommit(session, value.upper() == "TRUE")
    elif name == "TIMEZONE":
        try:
            session.duck.execute("SET TimeZone = ?", [value])
        except duckdb.Error as error:
            message = f"SQL compilation error:\ninvalid value [{value}] for parameter 'TIMEZONE'"
            raise SnowflakeError("001007", message, "22023") from error
    elif name == "STATEMENT_TIMEOUT_IN_SECONDS":
        int(value)
    elif name in _FIXED:
        if value.upper() != _FIXED[name]:
            raise unsupported(f"ALTER SESSION SET {name} = {value}")
    elif name not in _RECORDED and not name.startswith("CLIENT_"):
        raise unsupported(f"ALTER SESSION SET {name}")
    session.parameters[name] = value
