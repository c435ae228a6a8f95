"""Both ends of a copy that has a Delta table on one side: staged Parquet files into a table, a table into staged files.

The copy engine moves the rows between the staged files and the other store; `manifest.json` beside them says which files
there are. Each of the two is done once per run, however often the job is repeated.
"""

import json
import re
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, MapType, StructType, VariantType

from waybill_jobs.commits import Commit, commit, current_version, table_size
from waybill_jobs.errors import JobError
from waybill_jobs.io import exists, list_files, read_table, read_text, write_text
from waybill_jobs.results import TableResult
from waybill_jobs.session import merge_session
from waybill_jobs.write import transaction, write_once

MODES = ("append", "overwrite", "merge")
STEP = "copy"


def load(
    spark: SparkSession, path: str, name: str, source: str, run: str, mode: str, keys: list[str]
) -> list[TableResult]:
    """Adds the staged files to the table (append), makes them all of it (overwrite), or brings them in by key (merge).

    Rows and a checksum over all values are compared between the files and what the table holds of them afterwards;
    a difference puts the table back to the version before and fails with DELTA_MISMATCH.
    """
    manifest = _manifest(spark, source)
    files = [_address(source, str(file["path"])) for file in manifest["files"]]
    if not files:
        raise JobError("STAGED_NOTHING", f"{source}/manifest.json names no files.", "Run the copy again.")
    # Nanoseconds, which Spark has no type for, are refused by its reader; what it reads, it reads as written.
    staged = spark.read.parquet(*files)
    expected = int(manifest["rows"])
    counted = staged.count()
    if counted != expected:
        raise JobError("STAGED_MISMATCH", f"{source} holds {counted} rows, its manifest says {expected}.", "Copy anew.")
    before = current_version(spark, path)
    already = _commit_of(spark, path, run)
    if already is None:
        _write(spark, staged, path, run, mode, keys)
    done = already or _commit_of(spark, path, run)
    # Files without a row make no commit in a table that is there.
    version = before if done is None else done.version
    rows, checksum = _fingerprint(staged, _types(spark, path, version, staged.columns))
    held_rows, held_checksum = _fingerprint(
        _held(spark, staged, path, version, mode, keys), _types(spark, path, version, staged.columns)
    )
    if (rows, checksum) != (held_rows, held_checksum):
        _take_back(spark, path, before, already)
        raise JobError(
            "DELTA_MISMATCH",
            f"{rows} rows with checksum {checksum} were staged; the table holds {held_rows} with {held_checksum}.",
            "The table was put back; run the copy again, and report it if it happens twice.",
        )
    files_now, bytes_now = table_size(spark, path, version)
    details = {"copied": rows, "checksum": str(checksum), "mode": mode}
    total = read_table(spark, path, version).count() if mode != "overwrite" else rows
    return [TableResult(name, path, version, total, files_now, bytes_now, already is None, details)]


def unload(spark: SparkSession, path: str, name: str, target: str, run: str, version: int | None) -> list[TableResult]:
    """Writes one version of the table as Parquet files under `<target>/data`, and `<target>/manifest.json` last.

    The version is fixed by the first attempt, so that a repeated one reads the same rows. Nested columns become JSON.
    """
    if current_version(spark, path) < 0:
        raise JobError("DELTA_MISSING", f"There is no Delta table at {path}.", "Correct the dataset's table.")
    pin = f"{target}/_waybill/version.json"
    if exists(spark, pin):
        version = int(json.loads(read_text(spark, pin))["version"])
    else:
        version = current_version(spark, path) if version is None else version
        write_text(spark, pin, json.dumps({"run": run, "version": version}))
    # INT96, the default for moments, is read by few and deprecated by all.
    spark.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    table = read_table(spark, path, version)
    flat = table.select(*(_flat(field.name, field.dataType) for field in table.schema.fields))
    flat.write.mode("overwrite").option("compression", "zstd").parquet(f"{target}/data")
    rows, checksum = _fingerprint(spark.read.parquet(f"{target}/data"), {})
    expected, expected_checksum = _fingerprint(flat, {})
    if (rows, checksum) != (expected, expected_checksum):
        raise JobError("DELTA_MISMATCH", f"{expected} rows were read, {rows} written.", "Run the copy again.")
    files = [(file, size) for file, size in list_files(spark, f"{target}/data") if file.endswith(".parquet")]
    manifest = {"rows": rows, "files": [{"path": f"data/{file}", "bytes": size} for file, size in files]}
    write_text(spark, f"{target}/manifest.json", json.dumps(manifest))
    details = {"copied": rows, "checksum": str(checksum)}
    return [TableResult(name, path, version, rows, len(files), sum(size for _, size in files), True, details)]


def _write(spark: SparkSession, staged: DataFrame, path: str, run: str, mode: str, keys: list[str]) -> None:
    if mode != "merge":
        # An overwrite keeps the table's columns: a copy that would change them is mistaken about its target.
        write_once(spark, staged, path, step=STEP, run=run, mode=mode)
        return
    missing = [key for key in keys if key not in staged.columns]
    if missing or not keys:
        raise JobError("DELTA_KEYS", f"The keys {missing or keys} are no columns of the rows.", "Correct the keys.")
    twice = staged.groupBy(*keys).count().where("count > 1").count()
    if twice:
        raise JobError("DELTA_KEYS", f"{twice} keys occur more than once among the rows.", "Make the source's keys unique.")
    if staged.where(" OR ".join(f"`{key}` IS NULL" for key in keys)).count():
        raise JobError("DELTA_KEYS", f"Some rows have NULL in {', '.join(keys)}.", "Choose other keys.")
    guard, before = transaction(spark, path, STEP, run)
    if before < 0:
        write_once(spark, staged, path, step=STEP, run=run, mode="append")
        return
    session = merge_session(spark, guard)
    frame = session.read.parquet(*staged.inputFiles())
    frame.createOrReplaceTempView("staged")
    same = " AND ".join(f"t.`{key}` = s.`{key}`" for key in keys)
    session.sql(
        f"MERGE INTO delta.`{path}` AS t USING staged AS s ON {same} WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    )


def _held(
    spark: SparkSession, staged: DataFrame, path: str, version: int, mode: str, keys: list[str]
) -> DataFrame:
    """The rows of the table that came from the staged files."""
    table = read_table(spark, path, version)
    if mode == "overwrite":
        return table.select(*staged.columns)
    if mode == "merge":
        return table.join(staged.select(*keys), keys, "left_semi").select(*staged.columns)
    added = _added_files(spark, path, version)
    name = F.element_at(F.split(F.col("_metadata.file_path"), "/"), -1)
    return table.where(name.isin(added)).select(*staged.columns)


def _added_files(spark: SparkSession, path: str, version: int) -> list[str]:
    """Names, without their folders, of the files that a version added."""
    lines = read_text(spark, f"{path}/_delta_log/{version:020d}.json").splitlines()
    added = (json.loads(line).get("add") for line in lines)
    return [str(add["path"]).rsplit("/", 1)[-1] for add in added if add]


def _commit_of(spark: SparkSession, path: str, run: str) -> Commit | None:
    """The commit that an earlier attempt of this run made, unless it was taken back."""
    for version in range(current_version(spark, path), -1, -1):
        if not exists(spark, f"{path}/_delta_log/{version:020d}.json"):
            return None  # the log has been cleaned up to here, long after any attempt
        found = commit(spark, path, version)
        if found.run == run:
            return None if found.operation == "RESTORE" else found
    return None


def _take_back(spark: SparkSession, path: str, before: int, already: Commit | None) -> None:
    if already is None and before >= 0:
        DeltaTable.forPath(spark, path).restoreToVersion(before)


def _fingerprint(frame: DataFrame, types: dict[str, DataType]) -> tuple[int, int]:
    """Rows, and the sum over rows of a 64-bit hash of all their values: the same for the same rows in any order."""
    columns = [F.col(f"`{name}`").cast(types[name]) if name in types else F.col(f"`{name}`") for name in frame.columns]
    row = frame.select(F.xxhash64(*columns).cast("decimal(38,0)").alias("h")).agg(
        F.count("*").alias("n"), F.sum("h").alias("c")
    ).head()
    assert row is not None
    return int(row["n"]), int(row["c"] or 0)


def _types(spark: SparkSession, path: str, version: int, names: list[str]) -> dict[str, DataType]:
    """The table's types of these columns: an existing table's may be wider than the files'."""
    known = {field.name.lower(): field.dataType for field in read_table(spark, path, version).schema.fields}
    return {name: known[name.lower()] for name in names if name.lower() in known}


def _flat(name: str, kind: DataType) -> Any:
    column = F.col(f"`{name}`")
    if isinstance(kind, (ArrayType, MapType, StructType, VariantType)):
        return F.to_json(column).alias(name)
    return column


def _manifest(spark: SparkSession, source: str) -> dict[str, Any]:
    path = f"{source}/manifest.json"
    if not exists(spark, path):
        raise JobError("STAGED_NOTHING", f"There is no {path}.", "Run the copy again.")
    return dict(json.loads(read_text(spark, path)))


def _address(source: str, path: str) -> str:
    if re.match(r"[a-z0-9]+://", path):
        return path
    # A manifest's path is relative to its folder, or a key within the bucket.
    bucket = re.match(r"([a-z0-9]+://[^/]+)/(.*)", source)
    if bucket and path.startswith(f"{bucket[2]}/"):
        return f"{bucket[1]}/{path}"
    return f"{source}/{path}"
