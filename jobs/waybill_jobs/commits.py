"""What a Delta table's log says, read from the log itself.

The facts the jobs ask most (newest version, who committed it, rows written, size) are a listing and one or two small
reads away, by the Delta protocol's own file names; through Spark each of them is a query of its own.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from waybill_jobs.io import file_names, first_lines, read_table, read_text
from waybill_jobs.session import RUN_KEY

_COMMIT = re.compile(r"(\d{20})\.(json|checkpoint\..*parquet|checkpoint\..*json)")


@dataclass(frozen=True)
class Commit:
    """One version: the operation, its parameters and metrics, and the run that stamped it (None: not ours)."""

    version: int
    operation: str
    parameters: dict[str, Any]
    metrics: dict[str, str]
    run: str | None


def current_version(spark: SparkSession, path: str) -> int:
    """The table's newest version, or -1 when there is no table. A store that cannot answer raises."""
    found = (_COMMIT.fullmatch(name) for name in file_names(spark, f"{path}/_delta_log"))
    return max((int(match[1]) for match in found if match), default=-1)


def is_table(spark: SparkSession, path: str) -> bool:
    """Whether a Delta table is at the path."""
    return current_version(spark, path) >= 0


def commit(spark: SparkSession, path: str, version: int) -> Commit:
    """What one version did. The commit's own description is among its first actions."""
    for line in first_lines(spark, f"{path}/_delta_log/{version:020d}.json", 5):
        info = json.loads(line).get("commitInfo")
        if info:
            return Commit(
                version,
                str(info.get("operation", "")),
                dict(info.get("operationParameters") or {}),
                dict(info.get("operationMetrics") or {}),
                _run_of(info.get("userMetadata")),
            )
    return Commit(version, "", {}, {}, None)


def commits_after(spark: SparkSession, path: str, version: int) -> list[Commit]:
    """Every commit after a version, oldest first."""
    newest = current_version(spark, path)
    return [commit(spark, path, each) for each in range(version + 1, newest + 1)]


def _run_of(user_metadata: str | None) -> str | None:
    try:
        value = json.loads(user_metadata or "{}")
    except ValueError:
        return None
    return value.get(RUN_KEY) if isinstance(value, dict) else None


def table_size(spark: SparkSession, path: str, version: int) -> tuple[int, int]:
    """(files, bytes) of a version: from the checksum that Delta writes beside the commit, else by asking Delta."""
    name = f"{version:020d}.crc"
    if name in file_names(spark, f"{path}/_delta_log"):
        checksum = json.loads(read_text(spark, f"{path}/_delta_log/{name}"))
        return int(checksum["numFiles"]), int(checksum["tableSizeBytes"])
    row = DeltaTable.forPath(spark, path).detail().select("numFiles", "sizeInBytes").head()
    assert row is not None
    return int(row[0]), int(row[1])


def file_records(spark: SparkSession, path: str, version: int) -> dict[str, int] | None:
    """Records of each file of a version, by its path in the table, as writers left them in the log. None where the log
    was checkpointed (its older entries may be gone), or a file has no count or has deletion vectors."""
    files: dict[str, int] = {}
    names = file_names(spark, f"{path}/_delta_log")
    if any(".checkpoint." in name for name in names) or f"{0:020d}.json" not in names:
        return None
    for each in range(version + 1):
        for line in read_text(spark, f"{path}/_delta_log/{each:020d}.json").splitlines():
            action = json.loads(line)
            add, remove = action.get("add"), action.get("remove")
            if add:
                records = json.loads(add.get("stats") or "{}").get("numRecords")
                if records is None or add.get("deletionVector"):
                    return None
                files[add["path"]] = int(records)
            elif remove:
                files.pop(remove["path"], None)
    return files


def table_rows(spark: SparkSession, path: str, version: int) -> int:
    """Rows of a version, from its log where that says, else by counting."""
    files = file_records(spark, path, version)
    return _count_rows(spark, path, version) if files is None else sum(files.values())


def _count_rows(spark: SparkSession, path: str, version: int) -> int:
    return read_table(spark, path, version).count()


def created_at(spark: SparkSession, path: str) -> float | None:
    """When the table's first version was committed, in seconds since 1970; None when its log no longer says."""
    for line in first_lines(spark, f"{path}/_delta_log/{0:020d}.json", 5):
        info = json.loads(line).get("commitInfo")
        if info and "timestamp" in info:
            return float(info["timestamp"]) / 1000
    return None


def generation(spark: SparkSession, path: str) -> int:
    """Version of the table's newest RESTORE, or -1.

    RESTORE takes rows back but leaves Delta's record of applied transactions in place, so a run that is repeated
    after its compensation must not use the transaction ids of the attempt that was undone.
    """
    names = file_names(spark, f"{path}/_delta_log")
    found = sorted((int(match[1]) for match in map(_COMMIT.fullmatch, names) if match and match[2] == "json"), reverse=True)
    return next((version for version in found if commit(spark, path, version).operation == "RESTORE"), -1)
