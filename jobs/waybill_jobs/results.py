"""What a job tells its caller: one JSON line, printed last and written to --result."""

import json
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from pyspark.sql import SparkSession

from waybill_jobs.errors import JobError
from waybill_jobs.io import write_text


@dataclass
class TableResult:
    """A table after the job. `rows`, `files`, `bytes` describe the table's current version; `written` says
    whether this attempt committed anything (False when an earlier attempt of the run already had)."""

    table: str
    path: str
    version: int
    rows: int
    files: int
    bytes: int
    written: bool
    details: dict[str, Any] = field(default_factory=dict)


def result_line(job: str, run: str, tables: list[TableResult], extra: dict[str, Any]) -> str:
    """The JSON of a finished job; table details are laid flat beside the counts."""
    rows = []
    for table in tables:
        row = asdict(table)
        details = row.pop("details")
        rows.append({**row, **details})
    return json.dumps({"waybill": "result", "job": job, "run": run, "tables": rows, **extra}, sort_keys=False)


def error_line(job: str, run: str, error: JobError) -> str:
    """The JSON of a refused job."""
    return json.dumps(
        {
            "waybill": "error",
            "job": job,
            "run": run,
            "code": error.code,
            "message": error.message,
            "next": error.advice,
        }
    )


def publish(spark: SparkSession, line: str, result_path: str | None) -> None:
    """Writes the line to the result object first, then prints it: a printed result can always be read back."""
    if result_path:
        write_text(spark, result_path, line + "\n")
    print(line, flush=True)
    sys.stdout.flush()
