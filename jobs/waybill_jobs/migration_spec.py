"""What a migration asks of `replicate` and `parity`: one JSON file, written by waybill, read strictly."""

import json
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import SparkSession

from waybill_jobs.errors import JobError
from waybill_jobs.io import exists, read_text

FORMATS = ("parquet", "delta")


@dataclass(frozen=True)
class Tolerance:
    """How far two numbers of a column may lie apart: by so much, or by that part of the greater one."""

    absolute: float = 0.0
    relative: float = 0.0


@dataclass(frozen=True)
class MigratedTable:
    """One table on both sides, and what makes it the same."""

    name: str
    source: str
    source_format: str
    target: str
    keys: list[str]
    ignore: list[str] = field(default_factory=list)
    columns: dict[str, Tolerance] = field(default_factory=dict)
    #: Types may differ as long as the values are equal.
    any_type: bool = False
    #: Rows of the compared window alone: those whose value of this column is `window`.
    window_column: str | None = None
    window: str = ""
    #: Rows that may be missing, extra or different before it counts as a difference.
    allowed: dict[str, int] = field(default_factory=dict)
    partition_by: list[str] = field(default_factory=list)
    #: `once` brings what there was before the run `before_run`; `always` brings whatever is new.
    replicate: str = "once"
    before_run: str | None = None


def read_migration_spec(spark: SparkSession, path: str) -> list[MigratedTable]:
    """The tables that a specification file names. Throws SPEC_INVALID."""
    if not exists(spark, path):
        raise _invalid(path, "there is no such file")
    try:
        value = json.loads(read_text(spark, path))
        tables = [_table(one) for one in value["tables"]]
    except (ValueError, KeyError, TypeError) as error:
        raise _invalid(path, f"{type(error).__name__}: {error}") from error
    if not tables:
        raise _invalid(path, "it names no table")
    return tables


def _table(value: dict[str, Any]) -> MigratedTable:
    columns = {str(name).lower(): Tolerance(**one) for name, one in (value.get("columns") or {}).items()}
    table = MigratedTable(**{**value, "columns": columns})
    if table.source_format not in FORMATS:
        raise ValueError(f"source_format {table.source_format}")
    if table.replicate not in ("once", "always", "never"):
        raise ValueError(f"replicate {table.replicate}")
    return table


def _invalid(path: str, why: str) -> JobError:
    return JobError("SPEC_INVALID", f"{path} is no specification of a migration: {why}.", "Let waybill write it.")
