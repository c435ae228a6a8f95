"""Compaction and clean-up of the tables, with proof that the rows are the same afterwards."""

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from waybill_jobs.commits import current_version, is_table, table_size
from waybill_jobs.errors import JobError
from waybill_jobs.io import in_parallel, read_table
from waybill_jobs.layout import Lake
from waybill_jobs.quality import content_hash
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
    if files_before > 1:
        table.optimize().executeCompaction()
    after = current_version(spark, path)
    details: dict[str, object] = {
        "filesBefore": files_before,
        "bytesBefore": bytes_before,
        "retainHours": retain_hours,
    }
    if after == before:
        rows = read_table(spark, path, after).count()
    else:
        # Both versions are still readable: VACUUM comes after this comparison.
        rows, content = content_hash(read_table(spark, path, after))
        was = content_hash(read_table(spark, path, before))
        if was != (rows, content):
            raise JobError(
                "OPTIMIZE_CHANGED_ROWS",
                f"{name} had {was[0]} rows at version {before} and has {rows} at {after}, or their content differs.",
                f"Nothing was vacuumed: RESTORE the table to version {before}, and see who else wrote in between.",
            )
        details["contentHash"] = content
    table.vacuum(float(retain_hours))
    version = current_version(spark, path)
    files, size = table_size(spark, path, version)
    return TableResult(name, path, version, rows, files, size, version != before, dict(details))
