"""The options of COPY INTO: parsed, checked by name, with Snowflake's defaults."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp

from .errors import SnowflakeError, unsupported

_FORMAT_OPTIONS = {
    "CSV": {
        "COMPRESSION", "RECORD_DELIMITER", "FIELD_DELIMITER", "FILE_EXTENSION", "SKIP_HEADER", "SKIP_BLANK_LINES", "DATE_FORMAT",
        "TIME_FORMAT", "TIMESTAMP_FORMAT", "BINARY_FORMAT", "ESCAPE", "ESCAPE_UNENCLOSED_FIELD", "TRIM_SPACE",
        "FIELD_OPTIONALLY_ENCLOSED_BY", "NULL_IF", "ERROR_ON_COLUMN_COUNT_MISMATCH", "EMPTY_FIELD_AS_NULL", "ENCODING",
        "SKIP_BYTE_ORDER_MARK", "MULTI_LINE",
    },
    "PARQUET": {"COMPRESSION", "SNAPPY_COMPRESSION", "BINARY_AS_TEXT", "USE_LOGICAL_TYPE", "USE_VECTORIZED_SCANNER", "NULL_IF", "TRIM_SPACE"},
    "JSON": {"COMPRESSION"},
}  # fmt: skip
_LOAD_OPTIONS = {"FILE_FORMAT", "FILES", "PATTERN", "ON_ERROR", "PURGE", "FORCE", "MATCH_BY_COLUMN_NAME", "SIZE_LIMIT", "TRUNCATECOLUMNS", "ENFORCE_LENGTH", "RETURN_FAILED_ONLY", "LOAD_UNCERTAIN_FILES"}
_UNLOAD_OPTIONS = {"FILE_FORMAT", "OVERWRITE", "SINGLE", "MAX_FILE_SIZE", "HEADER", "INCLUDE_QUERY_ID", "DETAILED_OUTPUT", "VALIDATION_MODE"}
# Accepted only with the value that says what happens anyway.
_FIXED = {"TRUNCATECOLUMNS": False, "ENFORCE_LENGTH": True, "RETURN_FAILED_ONLY": False, "INCLUDE_QUERY_ID": False, "DETAILED_OUTPUT": False}


@dataclass
class CopyOptions:
    format: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def type(self) -> str:
        return str(self.format.get("TYPE", "CSV")).upper()

    def flag(self, name: str, default: bool = False) -> bool:
        return _flag(self.options.get(name, default))


@dataclass(frozen=True)
class CsvFormat:
    """TYPE = CSV with every default filled in; None stands for Snowflake's NONE."""

    delimiter: str
    quote: str | None
    escape: str | None
    escape_unenclosed: str | None
    null_if: tuple[str, ...]
    empty_is_null: bool
    skip_header: int
    skip_blank_lines: bool
    trim: bool
    check_count: bool
    compression: str
    date_format: str
    time_format: str
    timestamp_format: str
    binary_format: str
    extension: str | None


def _flag(value: object) -> bool:
    return value is True or str(value).upper() == "TRUE"


def _value(node: exp.Expression | None) -> Any:
    if isinstance(node, (exp.Tuple, exp.Array)):
        return [item.name for item in node.expressions]
    if isinstance(node, exp.Paren):
        return [node.this.name]
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    return node.name if node is not None else True


def _properties(nodes: list[exp.Expression]) -> dict[str, Any]:
    return {node.this.name.upper(): _value(node.args.get("value") or node.args.get("expression")) for node in nodes}


def parse(tree: exp.Copy, stage_options: dict[str, Any] | None, loading: bool) -> CopyOptions:
    """The statement's options over those of the stage; an unknown or unsupported one is refused by name."""
    found = CopyOptions(_stage_format(stage_options))
    for parameter in tree.args.get("params") or []:
        name = parameter.this.name.upper()
        if name == "FILE_FORMAT":
            found.format.update(_properties(parameter.expressions))
        else:
            found.options[name] = _value(parameter.args.get("expression"))
    for name, value in found.options.items():
        if name not in (_LOAD_OPTIONS if loading else _UNLOAD_OPTIONS):
            raise SnowflakeError("001003", f"SQL compilation error:\ninvalid parameter '{name}'")
        if name in _FIXED and _flag(value) != _FIXED[name] or name in ("VALIDATION_MODE", "SIZE_LIMIT"):
            raise unsupported(f"COPY option {name} = {value}")
    if "FORMAT_NAME" in found.format:
        raise unsupported("FILE_FORMAT = (FORMAT_NAME = ...): give the options in place")
    known = _FORMAT_OPTIONS.get(found.type)
    if known is None or (found.type == "JSON" and not loading):
        raise unsupported(f"FILE_FORMAT TYPE = {found.type}")
    for name in found.format.keys() - {"TYPE"}:
        if name not in known:
            raise unsupported(f"{found.type} file format option {name}")
    return found


def _stage_format(options: dict[str, Any] | None) -> dict[str, Any]:
    text = (options or {}).get("file_format")
    if not text:
        return {}
    tree = sqlglot.parse_one(f"COPY INTO t FROM @s FILE_FORMAT = {text}", read="snowflake")
    return _properties(tree.args["params"][0].expressions)


def _character(value: object) -> str | None:
    text = str(value)
    if text.upper() == "NONE" or text == "":
        return None
    if match := re.fullmatch(r"0x([0-9a-fA-F]{2})|\\x([0-9a-fA-F]{2})", text):
        return chr(int(match[1] or match[2], 16))
    return {"\\t": "\t", "\\n": "\n", "\\r": "\r", "\\r\\n": "\r\n", "\\\\": "\\"}.get(text, text)


def csv_format(options: dict[str, Any]) -> CsvFormat:
    record = _character(options.get("RECORD_DELIMITER", "\n"))
    if record not in ("\n", "\r\n", "\r"):
        raise unsupported(f"RECORD_DELIMITER {json.dumps(record)}")
    if str(options.get("ENCODING", "UTF8")).upper() not in ("UTF8", "UTF-8"):
        raise unsupported(f"ENCODING {options['ENCODING']}")
    null_if = options.get("NULL_IF", ["\\N"])
    compression = str(options.get("COMPRESSION", "AUTO")).upper()
    if compression not in ("AUTO", "GZIP", "NONE"):
        raise unsupported(f"COMPRESSION {compression}")
    enclosed_by = _character(options.get("FIELD_OPTIONALLY_ENCLOSED_BY", "NONE"))
    return CsvFormat(
        delimiter=_character(options.get("FIELD_DELIMITER", ",")) or "",
        quote=enclosed_by,
        escape=_character(options.get("ESCAPE", "NONE")),
        escape_unenclosed=_character(options.get("ESCAPE_UNENCLOSED_FIELD", "\\")),
        null_if=tuple([null_if] if isinstance(null_if, str) else null_if),
        empty_is_null=_flag(options.get("EMPTY_FIELD_AS_NULL", True)),
        skip_header=int(options.get("SKIP_HEADER", 0)),
        skip_blank_lines=_flag(options.get("SKIP_BLANK_LINES", False)),
        trim=_flag(options.get("TRIM_SPACE", False)),
        check_count=_flag(options.get("ERROR_ON_COLUMN_COUNT_MISMATCH", True)),
        compression=compression,
        date_format=str(options.get("DATE_FORMAT", "AUTO")),
        time_format=str(options.get("TIME_FORMAT", "AUTO")),
        timestamp_format=str(options.get("TIMESTAMP_FORMAT", "AUTO")),
        binary_format=str(options.get("BINARY_FORMAT", "HEX")).upper(),
        extension=str(options["FILE_EXTENSION"]) if "FILE_EXTENSION" in options else None,
    )
