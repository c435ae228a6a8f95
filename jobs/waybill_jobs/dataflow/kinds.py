"""Type names of data flow scripts to Spark's, and back."""

import re
from typing import Any

from pyspark.sql import types as T

from waybill_jobs.dataflow.faults import Unsupported

Node = dict[str, Any]

_SIMPLE = {
    "string": "string",
    "integer": "int",
    "long": "bigint",
    "short": "smallint",
    "byte": "tinyint",
    "double": "double",
    "float": "float",
    "number": "double",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
    "datetime": "timestamp",
    "time": "string",
    "binary": "binary",
    "any": "string",
    "null": "string",
    "": "string",
}


def spark_type(typed: Node) -> str:
    """The SQL type of `name as type`; structures and arrays included."""
    if typed.get("fields"):
        inner = ",".join(f"`{field['name'].replace('`', '``')}`:{spark_type(field)}" for field in typed["fields"])
        text = f"struct<{inner}>"
    else:
        text = _simple(typed["as"])
    return f"array<{text}>" if typed.get("array") else text


def _simple(name: str) -> str:
    name = name.strip()
    if name.lower() in _SIMPLE:
        return _SIMPLE[name.lower()]
    if found := re.fullmatch(r"decimal\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?", name, re.I):
        return f"decimal({found[1] or 38},{found[2] or (0 if found[1] else 18)})"
    if found := re.fullmatch(r"map\s*[<(\[](.+?),(.+)[>)\]]", name, re.I):
        return f"map<{_simple(found[1])},{_simple(found[2])}>"
    if name.endswith("[]"):
        return f"array<{_simple(name[:-2])}>"
    raise Unsupported("type", name)


def script_type(kind: T.DataType) -> str:
    """The name that `match(type == …)` and `type(…)` give a column's type."""
    names: dict[type[T.DataType], str] = {
        T.StringType: "string",
        T.IntegerType: "integer",
        T.LongType: "long",
        T.ShortType: "short",
        T.ByteType: "byte",
        T.DoubleType: "double",
        T.FloatType: "float",
        T.BooleanType: "boolean",
        T.DateType: "date",
        T.TimestampType: "timestamp",
        T.TimestampNTZType: "timestamp",
        T.BinaryType: "binary",
        T.NullType: "null",
    }
    if isinstance(kind, T.DecimalType):
        return f"decimal({kind.precision},{kind.scale})"
    if isinstance(kind, T.ArrayType):
        return f"{script_type(kind.elementType)}[]"
    if isinstance(kind, T.MapType):
        return "map"
    return names.get(type(kind), "complex")


def is_text(kind: T.DataType) -> bool:
    return isinstance(kind, T.StringType)


def is_integral(kind: T.DataType) -> bool:
    return isinstance(kind, T.IntegralType)


def is_moment(kind: T.DataType) -> bool:
    return isinstance(kind, T.TimestampType | T.TimestampNTZType)


def is_complex(kind: T.DataType) -> bool:
    return isinstance(kind, T.StructType | T.ArrayType | T.MapType)


def quoted(text: str) -> str:
    """A SQL string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def identifier(name: str) -> str:
    """A quoted SQL name."""
    return "`" + name.replace("`", "``") + "`"
