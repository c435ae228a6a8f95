"""Conversions and tests of the expression language: to… and is…; what cannot be read is NULL, never an error."""

from typing import TYPE_CHECKING

from pyspark.sql import types as T

from waybill_jobs.dataflow.functions import CONVERSIONS, TESTS
from waybill_jobs.dataflow.kinds import Node, is_complex, is_text

if TYPE_CHECKING:
    from waybill_jobs.dataflow.expressions import Scope


def as_number(sql: str, to: str, kind: T.DataType) -> str:
    """A number; text with digits behind the point loses them on the way to a whole number."""
    if isinstance(kind, T.TimestampType):
        return f"cast(unix_millis({sql}) as {to})"
    return f"cast(trim({sql}) as {to})" if is_text(kind) else f"cast({sql} as {to})"


def as_decimal(sql: str, precision: int, scale: int) -> str:
    return f"cast({sql} as decimal({precision},{scale}))"


def parsed(sql: str, to: str, pattern: str | None) -> str:
    """Text as a date or timestamp by a Java pattern, which is itself SQL."""
    if pattern is None:
        return f"cast({sql} as {to})"
    return f"try_to_timestamp({sql}, {pattern})" if to == "timestamp" else f"to_date({sql}, {pattern})"


def _number_in(sql: str, pattern: str) -> str:
    """Text of a number as a pattern such as '$###,###.##' says: what is no part of a number is left out."""
    return f"regexp_replace({sql}, '[^0-9eE+\\\\-.]', '')" if pattern else sql


def convert(name: str, args: list[str], nodes: list[Node], scope: "Scope") -> str | None:
    """The SQL of a conversion or test; None for every other name."""
    if not args:
        return None
    value = args[0]
    if name in CONVERSIONS:
        kind = scope.kind(value)
        if len(args) > 1 and is_text(kind):
            value = _number_in(value, args[1])
        return as_number(value, CONVERSIONS[name], kind)
    if name in TESTS:
        return f"(cast({value} as string) RLIKE '^[+-]?[0-9]+$' AND cast({value} as {TESTS[name]}) IS NOT NULL)"
    match name:
        case "todecimal":
            sizes = [node["value"] for node in nodes[1:3] if node["type"] == "literal" and node["kind"] != "string"]
            precision = int(sizes[0]) if sizes else 10
            scale = int(sizes[1]) if len(sizes) > 1 else 0
            if len(args) > 3 or (len(args) == 2 and not sizes):
                value = _number_in(value, args[-1])
            return as_decimal(value, precision, scale)
        case "todate" | "totimestamp":
            to = "date" if name == "todate" else "timestamp"
            if len(args) == 1 or not is_text(scope.kind(value)):
                return f"cast({value} as {to})"
            sql = parsed(value, to, args[1])
            return f"to_utc_timestamp({sql}, {args[2]})" if len(args) > 2 and to == "timestamp" else sql
        case "tostring":
            return _to_string(value, args, scope)
        case "toboolean":
            text = f"lower(trim(cast({value} as string)))"
            return f"CASE WHEN {text} IN ('true','t','yes','y','1') THEN true WHEN {text} IN ('false','f','no','n','0') THEN false END"
        case "tobinary":
            return f"cast({value} as binary)"
        case "isboolean":
            return f"(lower(cast({value} as string)) IN ('true','false','t','f','yes','no','y','n','1','0'))"
        case "isfloat" | "isdouble" | "isdecimal":
            return f"coalesce(trim(cast({value} as string)) RLIKE '^[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?$', false)"
        case "isdate" | "istimestamp":
            to = "date" if name == "isdate" else "timestamp"
            return f"({parsed(f'cast({value} as string)', to, args[1] if len(args) > 1 else None)} IS NOT NULL)"
        case "isstring":
            return str(is_text(scope.kind(value))).lower()
    return None


def _to_string(value: str, args: list[str], scope: "Scope") -> str:
    kind = scope.kind(value)
    if is_complex(kind):
        return f"to_json({value})"
    if len(args) == 1:
        return value if is_text(kind) else f"cast({value} as string)"
    if isinstance(kind, T.DateType | T.TimestampType):
        zone = f"from_utc_timestamp({value}, {args[2]})" if len(args) > 2 else value
        return f"date_format({zone}, {args[1]})"
    return f"format_number({value}, {args[1]})" if isinstance(kind, T.NumericType) else value
