"""Bind variables: single values, arrays of values sent inline, and arrays sent through a stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from fakesnow.converter import from_binding
from sqlglot import exp

from .dialect import literal
from .errors import SnowflakeError, unsupported

Bindings = dict[str, dict[str, Any]]


def value_of(binding: dict[str, Any]) -> Any:
    """The Python value of one binding as the drivers send it (a type name and a string)."""
    kind, value = binding.get("type"), binding.get("value")
    if value is None:
        return None
    if kind == "REAL":
        return float(value)
    if kind in ("VARIANT", "OBJECT", "ARRAY", "TEXT", "ANY", None):
        return value
    return from_binding({"type": kind, "value": str(value)})


def positional(bindings: Bindings, order: list[int]) -> list[Any]:
    """Values in the order of the statement's placeholders; `order` lists the numbers of `:1`-style ones."""
    numbers = order or [int(number) for number in sorted(bindings, key=int)]
    missing = [number for number in numbers if str(number) not in bindings]
    if missing:
        raise SnowflakeError("002049", f"SQL compilation error: error line 1 at position 0\nBind variable :{missing[0]} not set.")
    return [value_of(bindings[str(number)]) for number in numbers]


def is_array(bindings: Bindings) -> bool:
    return any(isinstance(binding.get("value"), list) for binding in bindings.values())


def array_columns(bindings: Bindings) -> pa.Table:
    """One text column per bind: the engine converts them as it does any text."""
    columns: dict[str, pa.Array] = {}
    for number in sorted(bindings, key=int):
        binding = bindings[number]
        if binding.get("type") in ("TEXT", "FIXED", "REAL", "BOOLEAN", "VARIANT", "ANY"):
            values = [None if value is None else str(value) for value in binding["value"]]
        else:
            values = [_text(value_of({**binding, "value": value})) for value in binding["value"]]
        columns[f"b{int(number) - 1}"] = pa.array(values, type=pa.string())
    return pa.table(columns)


def _text(value: Any) -> str | None:
    if isinstance(value, bytes):
        return value.hex().upper()
    return None if value is None else str(value)


def staged_columns(directory: Path, count: int) -> pa.Table:
    """The bind columns of the CSV files that the driver put on SYSTEM$BIND, in the files' order."""
    files = sorted((file for file in directory.iterdir() if file.is_file()), key=_number)
    columns = "{" + ", ".join(f"'b{i}': 'VARCHAR'" for i in range(count)) + "}"
    connection = duckdb.connect(":memory:")
    try:
        # The Node driver labels these files gzip but sends them uncompressed: look at the content.
        tables = [
            connection.execute(
                f"SELECT * FROM read_csv({literal(file)}, header=false, auto_detect=false, delim=',', quote='\"', escape='\"', "
                f"nullstr='', allow_quoted_nulls=false, compression='{_compression(file)}', "
                f"max_line_size=33554432, columns={columns})"
            ).to_arrow_table()
            for file in files
        ]
    finally:
        connection.close()
    return pa.concat_tables(tables)


def _compression(file: Path) -> str:
    with file.open("rb") as stream:
        return "gzip" if stream.read(2) == b"\x1f\x8b" else "none"


def _number(file: Path) -> int:
    digits = "".join(character for character in file.name if character.isdigit())
    return int(digits or 0)


def array_insert(statement: exp.Expression) -> exp.Expression:
    """INSERT ... VALUES (?, ...) as one INSERT ... SELECT over the table `_bind` with a column per bind."""
    values = statement.expression if isinstance(statement, exp.Insert) else None
    if isinstance(values, exp.Values) and len(values.expressions) == 1:
        items = [item.copy() for item in values.expressions[0].expressions]
    elif isinstance(values, exp.Select) and not values.args.get("from_"):
        items = [item.copy() for item in values.expressions]
    else:
        raise unsupported("array binding in a statement other than INSERT with one row of VALUES")
    row = exp.Tuple(expressions=items)
    position = 0
    for placeholder in list(row.find_all(exp.Placeholder)):
        placeholder.replace(exp.column(exp.to_identifier(f"b{position}", quoted=True)))
        position += 1
    select = exp.select(*row.expressions).from_(exp.to_identifier("_bind", quoted=True))
    rewritten = statement.copy()
    rewritten.set("expression", select)
    return rewritten
