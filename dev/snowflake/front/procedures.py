"""Stored procedures in SQL: a block of plain statements and a RETURN. Further Snowflake Scripting is refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fakesnow.dialect import parse_one
from sqlglot import exp, tokenize
from sqlglot.tokens import Token, TokenType

from . import dialect, tables
from .errors import SnowflakeError, already_exists, does_not_exist, unsupported
from .results import Result, status
from .sessions import Session

if TYPE_CHECKING:
    from .statements import Request

DDL_TYPE = 0x6000
_NAME = r'((?:"[^"]+"|[\w$]+)(?:\.(?:"[^"]+"|[\w$]+)){0,2})'
_CREATE = re.compile(
    rf"CREATE\s+(OR\s+REPLACE\s+)?PROCEDURE\s+{_NAME}\s*\((.*?)\)\s*RETURNS\s+(.+?)\s+LANGUAGE\s+(\w+)\b(.*?)\bAS\s+(\$\$.*\$\$|'.*'|BEGIN\b.*)",
    re.I | re.S,
)
_DROP = re.compile(rf"DROP\s+PROCEDURE\s+(IF\s+EXISTS\s+)?{_NAME}\s*\((.*)\)", re.I | re.S)
_CALL = re.compile(rf"CALL\s+{_NAME}\s*\((.*)\)", re.I | re.S)
_CLAUSES = re.compile(r"\s*(?:EXECUTE\s+AS\s+(?:CALLER|OWNER)|COMMENT\s*=\s*'(?:[^']|'')*'|NOT\s+NULL)", re.I)
#: Between arguments, not within NUMBER(38, 0).
_COMMA = re.compile(r",(?![^()]*\))")
_STATEMENTS = ("INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "CREATE", "DROP", "ALTER", "COPY", "SELECT", "WITH", "CALL")
#: How deep procedures call one another.
_DEEPEST = 8


@dataclass(frozen=True)
class Procedure:
    """`arguments` are (name, type); `body` is what stands between BEGIN and END."""

    name: str
    arguments: list[tuple[str, str]]
    body: str


def define(session: Session, sql: str) -> Result | None:
    """CREATE and DROP PROCEDURE; None for any other statement."""
    if match := _CREATE.fullmatch(sql):
        return session.transactions.define(lambda: _create(session, match))
    if match := _DROP.fullmatch(sql):
        return session.transactions.define(lambda: _drop(session, match))
    return None


def call(session: Session, request: Request, run: Callable[[Request], Result], depth: int = 0) -> Result | None:
    """CALL: the statements one after the other, as the session would run them; the row that RETURN gives. None for others."""
    match = _CALL.fullmatch(request.sql.strip().rstrip(";").strip())
    if match is None:
        return None
    if depth >= _DEEPEST:
        raise unsupported(f"CALL nested {_DEEPEST} deep")
    if request.bindings:
        raise unsupported("CALL with binds")
    given = parse_one(f"SELECT {match[2]}").expressions if match[2].strip() else []
    name = tables.full_name(session, exp.to_table(match[1], dialect="snowflake"))
    procedure = session.transactions.read(lambda: _find(session, name, len(given)))
    title = dialect.quote(procedure.name)
    if request.describe_only:
        return run(replace(request, sql=f"SELECT CAST(NULL AS VARCHAR) AS {title}"))
    values = {
        argument.upper(): f"CAST({value.sql(dialect='snowflake')} AS {kind})"
        for (argument, kind), value in zip(procedure.arguments, given, strict=True)
    }
    for statement in _split(procedure.body):
        word = statement.split(maxsplit=1)[0].upper()
        if word == "RETURN":
            return run(replace(request, sql=f"SELECT {_bound(statement[6:], values, bare=True)} AS {title}"))
        inner = replace(request, sql=_bound(statement, values, bare=False))
        if call(session, inner, run, depth + 1) is None:
            run(inner)
    return run(replace(request, sql=f"SELECT CAST(NULL AS VARCHAR) AS {title}"))


def _split(body: str) -> list[str]:
    """The block's statements. Refuses scripting that is more than a list of statements."""
    found: list[str] = []
    first: Token | None = None
    last: Token | None = None
    for token in [*tokenize(body, dialect="snowflake"), None]:
        if token is not None and token.token_type != TokenType.SEMICOLON:
            first, last = first or token, token
            continue
        if first is not None and last is not None:
            word = first.text.upper()
            if word not in (*_STATEMENTS, "RETURN"):
                raise unsupported(f"{word} in a stored procedure")
            found.append(body[first.start : last.end + 1])
        first = None
    return found


def _bound(text: str, values: dict[str, str], bare: bool) -> str:
    """The text with `:name` (and `name`, in an expression) as the argument's value."""
    pieces: list[str] = []
    at = 0
    tokens = tokenize(text, dialect="snowflake")
    for i, token in enumerate(tokens):
        marked = i > 0 and tokens[i - 1].token_type == TokenType.COLON and tokens[i - 1].end + 1 == token.start
        value = values.get(token.text.upper())
        if value is None or token.token_type not in (TokenType.VAR, TokenType.IDENTIFIER) or not (marked or bare):
            continue
        pieces += [text[at : tokens[i - 1].start if marked else token.start], value]
        at = token.end + 1
    return "".join([*pieces, text[at:]])


def _store(database: str) -> str:
    return f"{dialect.quote(database)}._fs_information_schema._front_procedures"


def _lookup(session: Session, name: tuple[str, str, str], count: int) -> Procedure | None:
    database, schema, procedure = name
    if database not in session.engine.databases():
        return None
    row = session.duck.execute(
        f"SELECT arguments, body FROM {_store(database)} WHERE schema_name = ? AND name = ? AND len(arguments) = ?", [schema, procedure, count]
    ).fetchone()
    return Procedure(procedure, [(str(a[0]), str(a[1])) for a in row[0]], str(row[1])) if row else None


def _find(session: Session, name: tuple[str, str, str], count: int) -> Procedure:
    procedure = _lookup(session, name, count)
    if procedure is None:
        raise SnowflakeError("002140", f"SQL compilation error:\nUnknown user-defined function {'.'.join(name)}", "42601")
    return procedure


def _create(session: Session, match: re.Match[str]) -> Result:
    or_replace, written, listed, returns, language, rest, body = match.groups()
    if language.upper() != "SQL":
        raise unsupported(f"CREATE PROCEDURE ... LANGUAGE {language.upper()}")
    if returns.upper().startswith("TABLE"):
        raise unsupported("CREATE PROCEDURE ... RETURNS TABLE")
    if other := _CLAUSES.sub("", rest).strip():
        raise unsupported(f"CREATE PROCEDURE ... {other.split()[0]}")
    name = tables.full_name(session, exp.to_table(written, dialect="snowflake"))
    arguments = _arguments(listed)
    block = re.fullmatch(r"BEGIN\b(.*)\bEND\s*;?", _text_of(body).strip(), re.I | re.S)
    if block is None:
        raise unsupported("a stored procedure whose body is no BEGIN ... END")
    _split(block[1])
    database, schema, procedure = name
    if _lookup(session, name, len(arguments)) is not None and not or_replace:
        raise already_exists(".".join(name))
    _remove(session, name, len(arguments))
    session.duck.execute(f"INSERT INTO {_store(database)} VALUES (?, ?, ?, ?)", [schema, procedure, [list(a) for a in arguments], block[1]])
    return status(f"Function {procedure} successfully created.", DDL_TYPE)


def _text_of(body: str) -> str:
    if body.startswith("$$"):
        return body[2:-2]
    return body[1:-1].replace("''", "'") if body.startswith("'") else body


def _arguments(listed: str) -> list[tuple[str, str]]:
    found = []
    for part in _COMMA.split(listed):
        if not part.strip():
            continue
        name, _, kind = part.strip().partition(" ")
        if not kind.strip() or re.search(r"\bDEFAULT\b|^(?:IN|OUT|INOUT)$", f"{kind} {name}", re.I):
            raise unsupported(f"the argument '{part.strip()}' of a stored procedure")
        found.append((name.strip('"').upper(), kind.strip()))
    return found


def _drop(session: Session, match: re.Match[str]) -> Result:
    name = tables.full_name(session, exp.to_table(match[2], dialect="snowflake"))
    count = len([part for part in _COMMA.split(match[3]) if part.strip()])
    if _lookup(session, name, count) is None and not match[1]:
        raise does_not_exist("Procedure", ".".join(name))
    _remove(session, name, count)
    return status(f"{name[2]} successfully dropped.", DDL_TYPE)


def _remove(session: Session, name: tuple[str, str, str], count: int) -> None:
    session.duck.execute(
        f"DELETE FROM {_store(name[0])} WHERE schema_name = ? AND name = ? AND len(arguments) = ?", [name[1], name[2], count]
    )
