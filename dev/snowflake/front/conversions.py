"""Text of a file to a column's type, with the message Snowflake gives when it does not fit."""

from __future__ import annotations

from .copy_options import CsvFormat
from .dialect import literal, strftime_format
from .tables import Column


def from_text(value: str, column: Column, form: CsvFormat) -> str:
    """SQL that converts the text expression `value` (NULL stays NULL) to the column's type, or fails."""
    kind = column.type
    if kind == "VARCHAR":
        if column.length is None or column.length >= 16777216:
            return value
        # A cast that fails, and not error(): TRY takes no volatile function.
        too_long = f"CAST(CAST('too long: ' || {value} AS INTEGER) AS VARCHAR)"
        return f"CASE WHEN length({value}) > {column.length} THEN {too_long} ELSE {value} END"
    if kind == "BOOLEAN":
        return f"memory.main.sf_to_boolean({value})"
    if kind == "DATE" and form.date_format.upper() != "AUTO":
        return f"CAST(strptime({value}, {literal(strftime_format(form.date_format))}) AS DATE)"
    if kind == "TIME" and form.time_format.upper() != "AUTO":
        return f"CAST(strptime({value}, {literal(strftime_format(form.time_format))}) AS TIME)"
    if kind == "TIMESTAMP":
        if form.timestamp_format.upper() != "AUTO":
            return f"strptime({value}, {literal(strftime_format(form.timestamp_format))})"
        return f"memory.main.sf_to_timestamp({value}, 0)"
    if kind == "BLOB":
        if form.binary_format == "BASE64":
            return f"from_base64({value})"
        return f"encode({value})" if form.binary_format in ("UTF8", "UTF-8") else f"unhex({value})"
    if kind == "JSON":
        return f"to_json({value})"
    return f"CAST({value} AS {kind})"


def from_any(value: str, column: Column, form: CsvFormat) -> str:
    """SQL that converts an expression of any type: texts by the file format's rules, the rest by a cast."""
    text = from_text(f"CAST({value} AS VARCHAR)", column, form)
    if column.type == "VARCHAR":
        return text
    # typeof is known when the statement is bound: only one of the branches is left.
    return f"CASE WHEN typeof({value}) = 'VARCHAR' THEN {text} ELSE CAST({value} AS {column.type}) END"


def problem_of(column: Column, value: str) -> tuple[str, str, str]:
    """Code, message and SQL state for a text that does not convert to the column's type."""
    kind = column.type
    if kind == "VARCHAR":
        return "100078", f"User character length limit ({column.length}) exceeded by string '{value[:50]}'", "22000"
    if kind.startswith("TIMESTAMP"):
        return "100035", f"Timestamp '{value}' is not recognized", "22007"
    if kind in ("DATE", "TIME"):
        return "100040", f"{kind.title()} '{value}' is not recognized", "22007"
    if kind == "BOOLEAN":
        return "100037", f"Boolean value '{value}' is not recognized", "22018"
    if kind == "BLOB":
        return "100115", f"The following string is not a legal hex-encoded value: '{value}'", "22000"
    return "100038", f"Numeric value '{value}' is not recognized", "22018"
