"""Compaction and clean-up of the tables, with proof that the rows are the same afterwards."""

import time
from posixpath import dirname

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from waybill_jobs.commits import created_at, current_version, file_records, is_table, table_rows, table_size
from waybill_jobs.errors import JobError
from waybill_jobs.io import in_parallel, read_table, timed
from waybill_jobs.layout import Lake
from waybill_jobs.quality import content_hashes
from waybill_jobs.results import TableResult

#: Readers, time travel and `restore` may need files this long after they left the newest version.
LEAST_RETENTION_HOURS = 168


def optimize(spark: SparkSession, lake: Lake, tables: list[str], retain_hours: int) -> list[TableResult]:
    """Compacts each table that exists and removes files older than the retention that no version needs.

    Raises JobError: VACUUM_RETENTION_TOO_SHORT below 168 hours, OPTIMIZE_CHANGED_ROWS if the content differs.
    """
    if retain_hours < LEAST_RETENTION_HOURS:
        raise JobError(
            "VACUUM_RETENTION_TOO_SHORT",
            f"A retention of {retain_hours} hours was asked for; {LEAST_RETENTION_HOURS} is the least allowed.",
            "Leave --retain-hours out. Shorter would break running readers, time travel and the restore of a run.",
        )
    # VACUUM lists with this many tasks; the default of 10,000 is minutes of empty tasks.
    listing_tasks = max(2, spark.sparkContext.defaultParallelism)
    spark.conf.set("spark.sql.sources.parallelPartitionDiscovery.parallelism", str(listing_tasks))
    present = [name for name in tables if is_table(spark, lake.path(name))]
    return in_parallel(lambda name: _optimize_table(spark, lake, name, retain_hours), present)


def _optimize_table(spark: SparkSession, lake: Lake, name: str, retain_hours: int) -> TableResult:
    path = lake.path(name)
    table = DeltaTable.forPath(spark, path)
    before = current_version(spark, path)
    files_before, bytes_before = table_size(spark, path, before)
    if _has_files_to_join(spark, path, before):
        with timed(f"{name}: compacting {files_before} files"):
            table.optimize().executeCompaction()
    after = current_version(spark, path)
    details: dict[str, object] = {
        "filesBefore": files_before,
        "bytesBefore": bytes_before,
        "retainHours": retain_hours,
    }
    if after == before:
        rows = table_rows(spark, path, after)
    else:
        # Both versions are still readable: VACUUM comes after this comparison.
        with timed(f"{name}: comparing content"):
            (rows, content), was = content_hashes([read_table(spark, path, after), read_table(spark, path, before)])
        if was != (rows, content):
            raise JobError(
                "OPTIMIZE_CHANGED_ROWS",
                f"{name} had {was[0]} rows at version {before} and has {rows} at {after}, or their content differs.",
                f"Nothing was vacuumed: RESTORE the table to version {before}, and see who else wrote in between.",
            )
        details["contentHash"] = content
    with timed(f"{name}: vacuum"):
        _vacuum(spark, path, retain_hours)
    version = current_version(spark, path)
    files, size = table_size(spark, path, version)
    return TableResult(name, path, version, rows, files, size, version != before, dict(details))


def _has_files_to_join(spark: SparkSession, path: str, version: int) -> bool:
    """Whether some partition has more than one file. Delta finds the same, by several queries."""
    files = file_records(spark, path, version)
    return files is None or len({dirname(file) for file in files}) < len(files)


def _vacuum(spark: SparkSession, path: str, retain_hours: int) -> None:
    """Removes what no version of the retention needs.

    A table younger than the retention has no file that is old enough, other than by a clock that is wrong; its log is
    whole, so that asking the log (LITE) finds what a listing of every partition's folder would find.
    """
    created = created_at(spark, path)
    young = created is not None and time.time() - created < retain_hours * 3600
    spark.sql(f"VACUUM delta.`{path}` RETAIN {retain_hours} HOURS{' LITE' if young else ''}").collect()
