"""Rewrites of Snowflake's syntax tree, done before fakesnow translates it, where fakesnow or DuckDB would differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import fakesnow.transforms as fakesnow_transforms
import sqlglot
from sqlglot import exp
from sqlglot.tokens import TokenType

from .errors import unsupported

_INTEGERS = {
    exp.DataType.Type.INT,
    exp.DataType.Type.SMALLINT,
    exp.DataType.Type.TINYINT,
    exp.DataType.Type.BIGINT,
}
_TEXT = {exp.DataType.Type.VARCHAR, exp.DataType.Type.TEXT}
_NUMERIC_AGGREGATES = (exp.Sum, exp.Avg, exp.Variance, exp.VariancePop, exp.Stddev, exp.StddevPop, exp.StddevSamp, exp.Median)

# Snowflake's date-time format elements -> strftime's, longest first.
_FORMAT_ELEMENTS = [
    ("YYYY", "%Y"),
    ("HH24", "%H"),
    ("HH12", "%I"),
    ("TZHTZM", "%z"),
    ("MMMM", "%B"),
    ("FF3", "%g"),
    ("FF6", "%f"),
    ("FF9", "%n"),
    ("MON", "%b"),
    ("YY", "%y"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("DY", "%a"),
    ("MI", "%M"),
    ("SS", "%S"),
    ("AM", "%p"),
    ("PM", "%p"),
]


def number_38_0() -> exp.DataType:
    return exp.DataType.build("DECIMAL(38, 0)", dialect="duckdb")


def _integer_precision(node: exp.Expression) -> exp.Expression:
    """Replaces fakesnow's: a whole number column is NUMBER(38,0), exact, where fakesnow has a 64-bit integer.

    Casts to INT keep the 64-bit type: DuckDB's functions take no DECIMAL as a position or a length.
    """
    if isinstance(node, exp.DataType):
        in_column = isinstance(node.parent, exp.ColumnDef)
        if node.this == exp.DataType.Type.DECIMAL and not node.expressions:
            return number_38_0()
        if node.this == exp.DataType.Type.DECIMAL and len(node.expressions) == 1:
            precision = node.expressions[0].name
            return exp.DataType.build(f"DECIMAL({precision}, 0)", dialect="duckdb")
        if node.this in _INTEGERS:
            return number_38_0() if in_column else exp.DataType.build("BIGINT", dialect="duckdb")
    return node


def _numeric_aggregates(node: exp.Expression) -> exp.Expression:
    """Replaces fakesnow's, which casts every argument of SUM to DOUBLE and so loses exactness."""
    return node


def install() -> None:
    """Puts this module's rules in the place of fakesnow's (module attributes, so the version is pinned exactly)."""
    fakesnow_transforms.integer_precision = _integer_precision  # type: ignore[assignment]
    fakesnow_transforms.numeric_agg_implicit_cast = _numeric_aggregates  # type: ignore[assignment]


def strftime_format(text: str) -> str:
    """Translates a Snowflake date-time format; anything else (numeric formats too) is refused by name."""
    out: list[str] = []
    position = 0
    while position < len(text):
        if text[position] == '"':
            end = text.index('"', position + 1)
            out.append(text[position + 1 : end].replace("%", "%%"))
            position = end + 1
            continue
        rest = text[position:].upper()
        element = next((pair for pair in _FORMAT_ELEMENTS if rest.startswith(pair[0])), None)
        if element:
            out.append(element[1])
            position += len(element[0])
        elif rest[0].isalnum() or rest[0] in "$":
            raise unsupported(f"date-time format '{text}'")
        else:
            out.append("%%" if rest[0] == "%" else text[position])
            position += 1
    return "".join(out)


def macro(name: str, *arguments: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this=f"memory.main.{name}", expressions=list(arguments))


def _to_char(node: exp.ToChar) -> exp.Expression:
    template = node.args.get("format")
    if template is None:
        return _text_of(node.this)
    if not isinstance(template, exp.Literal):
        raise unsupported("TO_VARCHAR with a format that is not a literal")
    name = template.name.upper()
    if name == "HEX":
        return exp.Anonymous(this="hex", expressions=[node.this])
    if name == "BASE64":
        return exp.Anonymous(this="to_base64", expressions=[node.this])
    if name in ("UTF-8", "UTF8"):
        return exp.Anonymous(this="decode", expressions=[node.this])
    return macro("sf_format", node.this, exp.Literal.string(strftime_format(template.name)))


def _text_of(value: exp.Expression) -> exp.Expression:
    inner = value.this if isinstance(value, exp.Paren) else value
    if isinstance(inner, exp.JSONExtract):
        return exp.cast(value, exp.DataType.Type.TEXT)  # fakesnow makes it an unquoted extraction
    return macro("sf_to_varchar", value)


def _cast(node: exp.Cast) -> exp.Expression:
    target = node.to.this
    if target in _TEXT and not node.to.expressions and not isinstance(node, exp.TryCast):
        if isinstance(node.this, (exp.JSONExtract, exp.Literal, exp.Null, exp.Placeholder)):
            return node
        if isinstance(node.this, exp.Column) and node.this.name.upper() == "VALUE":
            return node  # a FLATTEN value: fakesnow unquotes it
        return macro("sf_to_varchar", node.this)
    return node


def function_name(node: exp.Expression) -> str | None:
    if isinstance(node, exp.Anonymous):
        return str(node.name).upper()
    return node.sql_name().upper() if isinstance(node, exp.Func) else None


def rewrite(tree: exp.Expression, context: Mapping[str, Callable[[], str | None]]) -> exp.Expression:
    """Applies every rewrite. `context` gives the values of CURRENT_SESSION() and its like, by function name."""

    def change(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.ToChar):
            return _to_char(node)
        if isinstance(node, exp.MD5NumberUpper64):
            return macro("sf_md5_upper64", node.this)
        if isinstance(node, exp.MD5NumberLower64):
            return macro("sf_md5_lower64", node.this)
        if isinstance(node, exp.Cast):
            return _cast(node)
        if isinstance(node, exp.GroupConcat) and node.args.get("separator") is None:
            node.set("separator", exp.Literal.string(""))  # DuckDB's own default is a comma
            return node
        if isinstance(node, exp.UnixToTime):
            return macro("sf_to_timestamp", node.this, node.args.get("scale") or exp.Literal.number(0))
        name = function_name(node)
        if name in ("TRY_TO_TIMESTAMP", "TRY_TO_TIMESTAMP_NTZ") and isinstance(node, exp.Anonymous) and len(node.expressions) == 1:
            return exp.TryCast(this=node.expressions[0], to=exp.DataType.build("TIMESTAMP", dialect="duckdb"))
        if name in ("TO_TIMESTAMP", "TO_TIMESTAMP_NTZ") and isinstance(node, exp.Anonymous):
            scale = node.expressions[1] if len(node.expressions) > 1 else exp.Literal.number(0)
            return macro("sf_to_timestamp", node.expressions[0], scale)
        if name in ("HASH_AGG", "SYSTEM$TYPEOF", "RESULT_SCAN"):
            raise unsupported(name)
        if name in context:
            value = context[name]()
            return exp.null() if value is None else exp.Literal.string(value)
        return node

    # Children before parents: sqlglot's own transform does not look into what it has replaced.
    for node in reversed(list(tree.bfs())):
        replacement = change(node)
        if replacement is node:
            continue
        if node is tree:
            tree = replacement
        else:
            node.replace(replacement)
    return tree


def name_projections(tree: exp.Expression) -> exp.Expression:
    """Names unnamed result columns after their text in upper case, as Snowflake does."""
    select = tree
    while isinstance(select, (exp.SetOperation, exp.Subquery)):
        select = select.this
    if isinstance(select, exp.Select):
        named = [
            item
            if isinstance(item, (exp.Column, exp.Star, exp.Alias, exp.Aliases)) or item.is_star
            else exp.alias_(item, item.sql(dialect="snowflake").upper(), quoted=True)
            for item in select.expressions
        ]
        select.set("expressions", named)
    return tree


def numbered_binds(sql: str) -> tuple[str, list[int]]:
    """Turns `:1` placeholders into `?`; returns the text and the bind number of every placeholder in order."""
    if not re.search(r":\d", sql):
        return sql, []
    out: list[str] = []
    order: list[int] = []
    copied = 0
    tokens = sqlglot.tokenize(sql, read="snowflake")
    for token, following in zip(tokens, tokens[1:]):
        adjacent = following.start == token.end + 1
        if token.token_type == TokenType.COLON and following.token_type == TokenType.NUMBER and adjacent:
            out.append(sql[copied : token.start] + "?")
            order.append(int(following.text))
            copied = following.end + 1
    out.append(sql[copied:])
    return "".join(out), order


def split_statements(sql: str) -> list[str]:
    """The statements of a text, at its semicolons outside of strings and comments."""
    parts: list[str] = []
    start = 0
    for token in sqlglot.tokenize(sql, read="snowflake"):
        if token.token_type == TokenType.SEMICOLON:
            parts.append(sql[start : token.start])
            start = token.end + 1
    parts.append(sql[start:])
    return [part.strip() for part in parts if part.strip() and sqlglot.tokenize(part, read="snowflake")]


def identifier(node: exp.Expression) -> str:
    """The stored form of a name: as written when quoted, upper case otherwise."""
    name = node.this if isinstance(node, (exp.Table, exp.Column)) else node
    quoted = isinstance(name, exp.Identifier) and name.args.get("quoted")
    text = name.name if isinstance(name, exp.Expression) else str(name)
    return text if quoted else text.upper()


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
