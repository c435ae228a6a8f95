"""Parquet folders and Delta tables brought into Delta tables: what is new since the last time, once, and verified.

A batch is planned in a file before it is written (`<state>/<table>/batch-NNNNNN.json`: which files, or which version), so
that a repeated attempt brings the same; Delta takes each batch once by its transaction id; and a batch counts when its
rows and a checksum of all values are equal on both sides, which its `.done.json` records.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from waybill_jobs.canonical import fingerprint
from waybill_jobs.commits import commit, current_version, generation, table_size
from waybill_jobs.errors import JobError
from waybill_jobs.io import exists, file_names, read_table, read_text, write_text
from waybill_jobs.migration_spec import MigratedTable
from waybill_jobs.results import TableResult

_DONE = re.compile(r"batch-(\d{6})\.done\.json")


@dataclass(frozen=True)
class SourceFile:
    """A file below a source folder, known by its path; length and moment tell whether it is still the same."""

    path: str
    bytes: int
    modified: int


def replicate(spark: SparkSession, tables: list[MigratedTable], state: str, run: str) -> list[TableResult]:
    """Brings every table that is to be replicated up to its source. Repeated, it brings what is new since."""
    return [_replicate(spark, table, f"{state}/{table.name}", run) for table in tables if table.replicate != "never"]


def _replicate(spark: SparkSession, table: MigratedTable, state: str, run: str) -> TableResult:
    done = _done(spark, state)
    number = len(done) + 1
    plan_file = f"{state}/batch-{number:06d}.json"
    if exists(spark, plan_file):
        plan = dict(json.loads(read_text(spark, plan_file)))
    else:
        planned = _plan(spark, table, done)
        if planned is None:
            return _result(spark, table, done, written=False)
        plan = planned
        write_text(spark, plan_file, json.dumps(plan))
    source = _source(spark, table, plan)
    written = source is not None and _write(spark, table, source, plan, number, run)
    facts = {**plan, **_verify(spark, table, source, plan, run)}
    write_text(spark, f"{state}/batch-{number:06d}.done.json", json.dumps(facts))
    return _result(spark, table, [*done, facts], written=written)


def _done(spark: SparkSession, state: str) -> list[dict[str, Any]]:
    """The batches that are in the table, oldest first."""
    names = sorted(name for name in file_names(spark, state) if _DONE.fullmatch(name))
    return [dict(json.loads(read_text(spark, f"{state}/{name}"))) for name in names]


def _plan(spark: SparkSession, table: MigratedTable, done: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What the next batch brings, or None where nothing is new."""
    if done and table.replicate == "once":
        return None
    if not done and current_version(spark, table.target) >= 0:
        raise JobError(
            "REPLICATE_TARGET_EXISTS",
            f"{table.name}: there is a table at {table.target} already, and this migration did not make it.",
            'Choose an empty place, or set "replicate" to "never" where the table needs no history.',
        )
    if table.source_format == "delta":
        return _plan_version(spark, table, done)
    return _plan_files(spark, table, done)


def _plan_version(spark: SparkSession, table: MigratedTable, done: list[dict[str, Any]]) -> dict[str, Any] | None:
    version = current_version(spark, table.source)
    if table.replicate == "once" and table.before_run is not None:
        version = _version_before(spark, table.source, table.before_run, version)
    if done and done[-1].get("version") == version:
        return None
    return {"mode": "overwrite" if version >= 0 else "nothing", "version": version}


def _version_before(spark: SparkSession, path: str, run: str, newest: int) -> int:
    """The version before the first commit that the run made; the newest where it made none."""
    for version in range(newest + 1):
        if exists(spark, f"{path}/_delta_log/{version:020d}.json") and commit(spark, path, version).run == run:
            return version - 1
    return newest


def _plan_files(spark: SparkSession, table: MigratedTable, done: list[dict[str, Any]]) -> dict[str, Any] | None:
    now = {file.path: file for file in _source_files(spark, table.source)}
    known = _known_files(done)
    replaced = [path for path, file in known.items() if now.get(path) != file]
    # The source was rewritten: what came from the files that are gone must go, too.
    files = sorted(now) if replaced else sorted(set(now) - set(known))
    if not files and not replaced:
        return None if done else {"mode": "nothing", "files": []}
    mode = "overwrite" if replaced or not done else "append"
    if mode == "overwrite" and not files:
        mode = "clear"
    return {
        "mode": mode,
        "files": [{"path": path, "bytes": now[path].bytes, "modified": now[path].modified} for path in files],
    }


def _known_files(done: list[dict[str, Any]]) -> dict[str, SourceFile]:
    known: dict[str, SourceFile] = {}
    for batch in done:
        if batch["mode"] in ("overwrite", "clear"):
            known.clear()
        for file in batch.get("files", []):
            known[file["path"]] = SourceFile(file["path"], file["bytes"], file["modified"])
    return known


def _source_files(spark: SparkSession, root: str) -> list[SourceFile]:
    """Parquet files below a folder, hidden ones left out as Spark leaves them out."""
    jvm: Any = spark._jvm
    folder = jvm.org.apache.hadoop.fs.Path(root)
    fs = folder.getFileSystem(spark._jsc.hadoopConfiguration())
    if not fs.exists(folder):
        return []
    base = str(fs.makeQualified(folder).toString()).rstrip("/")
    found: list[SourceFile] = []
    listing = fs.listFiles(folder, True)
    while listing.hasNext():
        status = listing.next()
        path = str(status.getPath().toString())[len(base) + 1 :]
        hidden = any(part.startswith(("_", ".")) and "=" not in part for part in path.split("/"))
        if not hidden and int(status.getLen()) > 0:
            found.append(SourceFile(path, int(status.getLen()), int(status.getModificationTime())))
    return found


def _source(spark: SparkSession, table: MigratedTable, plan: dict[str, Any]) -> DataFrame | None:
    """The rows of a batch; None where it has none to bring."""
    if plan["mode"] == "nothing":
        return None
    if "version" in plan:
        return read_table(spark, table.source, int(plan["version"]))
    if plan["mode"] == "clear":
        return read_table(spark, table.target).where(F.lit(False))
    planned = {file["path"]: file for file in plan["files"]}
    now = {file.path: file for file in _source_files(spark, table.source) if file.path in planned}
    changed = [path for path, file in planned.items() if now.get(path) != SourceFile(path, file["bytes"], file["modified"])]
    if changed:
        raise JobError(
            "REPLICATE_SOURCE_CHANGED",
            f"{table.name}: {len(changed)} files changed or went while they were read, {changed[0]} first.",
            "Run it again when nothing writes to the source.",
        )
    reader = spark.read.option("basePath", table.source).option("mergeSchema", "true")
    return reader.parquet(*(f"{table.source}/{path}" for path in planned))


def _write(
    spark: SparkSession, table: MigratedTable, source: DataFrame, plan: dict[str, Any], number: int, run: str
) -> bool:
    before = current_version(spark, table.target)
    # A RESTORE takes rows back but not the record of what was applied, so ids before it must not be used again.
    epoch = generation(spark, table.target) if before >= 0 else -1
    options = {"txnAppId": f"waybill/replicate/{run}/{table.name}/{epoch}", "txnVersion": str(number)}
    mode = "append" if plan["mode"] == "append" else "overwrite"
    if mode == "overwrite":
        options["overwriteSchema"] = "true"
    else:
        options["mergeSchema"] = "true"
    writer = source.write.format("delta").mode(mode).options(**options)
    partitions = table.partition_by or _partitions(spark, table)
    if partitions:
        writer = writer.partitionBy(*partitions)
    writer.save(table.target)
    return current_version(spark, table.target) > before


def _partitions(spark: SparkSession, table: MigratedTable) -> list[str]:
    """A Delta source's own partitions."""
    if table.source_format != "delta":
        return []
    row = spark.sql(f"DESCRIBE DETAIL delta.`{table.source}`").select("partitionColumns").head()
    return [] if row is None else list(row[0])


def _verify(
    spark: SparkSession, table: MigratedTable, source: DataFrame | None, plan: dict[str, Any], run: str
) -> dict[str, Any]:
    """Compares the batch with what the table holds of it. A difference fails with REPLICATE_MISMATCH."""
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    if source is None:
        return {"rows": 0, "checksum": "0", "target_version": -1, "at": at}
    kinds = read_table(spark, table.target).schema.fields
    types = {field.name.lower(): field.dataType for field in kinds}
    expected = fingerprint(source, types)
    if plan["mode"] == "append" and expected[0] == 0:
        # Files without a row make no commit.
        return {"rows": 0, "checksum": "0", "target_version": current_version(spark, table.target), "at": at}
    version = _version_of(spark, table.target, run)
    held = read_table(spark, table.target, version)
    if plan["mode"] == "append":
        added = _added_files(spark, table.target, version)
        held = held.where(F.element_at(F.split(F.col("_metadata.file_path"), "/"), -1).isin(added))
    found = fingerprint(held.select(*(f"`{name}`" for name in source.columns)), types)
    if expected != found:
        raise JobError(
            "REPLICATE_MISMATCH",
            f"{table.name}: the source has {expected[0]} rows with checksum {expected[1]}, the table {found[0]} with {found[1]}.",
            "Nobody else may write to the table while it is replicated; remove it and its state, and run again.",
        )
    return {"rows": found[0], "checksum": str(found[1]), "target_version": version, "at": at}


def _version_of(spark: SparkSession, path: str, run: str) -> int:
    """The newest version that this migration made."""
    for version in range(current_version(spark, path), -1, -1):
        if exists(spark, f"{path}/_delta_log/{version:020d}.json") and commit(spark, path, version).run == run:
            return version
    raise JobError("REPLICATE_MISMATCH", f"No commit of {run} is in the log of {path}.", "Look at the table's history.")


def _added_files(spark: SparkSession, path: str, version: int) -> list[str]:
    lines = read_text(spark, f"{path}/_delta_log/{version:020d}.json").splitlines()
    added = (json.loads(line).get("add") for line in lines)
    return [str(add["path"]).rsplit("/", 1)[-1] for add in added if add]


def _result(spark: SparkSession, table: MigratedTable, done: list[dict[str, Any]], *, written: bool) -> TableResult:
    last = done[-1] if done else {}
    version = current_version(spark, table.target)
    details = {
        "batches": len(done),
        "batchRows": int(last.get("rows", 0)) if written else 0,
        "batchFiles": len(last.get("files", [])) if written else 0,
        "checksum": str(last.get("checksum", "0")),
    }
    if version < 0:
        return TableResult(table.name, table.target, -1, 0, 0, 0, False, details)
    files, size = table_size(spark, table.target, version)
    rows = read_table(spark, table.target, version).count()
    return TableResult(table.name, table.target, version, rows, files, size, written, details)
