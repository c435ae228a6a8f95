"""Many small Parquet files to few of a good size, partition by partition, with proof that the rows are the same."""

import json

from pyspark.sql import DataFrame, SparkSession

from waybill_jobs.errors import JobError
from waybill_jobs.io import exists, read_text, timed, write_text
from waybill_jobs.quality import content_hashes
from waybill_jobs.results import TableResult

MEBIBYTE = 1024 * 1024
#: Beside the target: which run writes it, and whether it has.
_RECORD = "._waybill.json"


def compact_files(
    spark: SparkSession, source: str, target: str, *, target_bytes: int, partition_by: tuple[str, ...], run: str
) -> list[TableResult]:
    """Writes the source's rows to another folder in files of about `target_bytes`; the source is left as it is.

    Readers may turn to the target when the job has ended. A run that is repeated finds its own record: it does nothing
    where it had finished, and begins anew where it had not. Raises JobError: COMPACT_SAME_FOLDER, COMPACT_CHANGED_ROWS,
    COMPACT_TARGET_TAKEN.
    """
    if target == source or target.startswith(f"{source}/") or source.startswith(f"{target}/"):
        raise JobError(
            "COMPACT_SAME_FOLDER",
            "Source and target are one folder, or one is in the other.",
            "Write to another folder, and point readers to it: Parquet has no commit that could swap files in place.",
        )
    record = f"{target}{_RECORD}"
    before_files, before_bytes = _size(spark, source)
    known = json.loads(read_text(spark, record)) if exists(spark, record) else None
    mine = known is not None and known["run"] == run
    if exists(spark, target) and not mine:
        raise JobError(
            "COMPACT_TARGET_TAKEN",
            f"{target} is there, and not from this run.",
            "Give each run a folder of its own, or remove what no reader needs.",
        )
    done = mine and known is not None and known["state"] == "done"
    if not done:
        write_text(spark, record, json.dumps({"run": run, "state": "writing"}))
        _write(spark, source, target, target_bytes, before_bytes, partition_by)
        write_text(spark, record, json.dumps({"run": run, "state": "done"}))
    rows = spark.read.parquet(target).count()
    files, size = _size(spark, target)
    details: dict[str, object] = {"filesBefore": before_files, "bytesBefore": before_bytes}
    return [TableResult(target, target, -1, rows, files, size, not done, details)]


def _write(
    spark: SparkSession, source: str, target: str, target_bytes: int, size: int, partition_by: tuple[str, ...]
) -> None:
    frame = spark.read.parquet(source)
    writer = _spread(spark, frame, target_bytes, size, partition_by).write.mode("overwrite")
    if partition_by:
        writer = writer.partitionBy(*partition_by)
    with timed(f"compacting {source}"):
        writer.parquet(target)
    with timed("comparing content"):
        was, now = content_hashes([frame, spark.read.schema(frame.schema).parquet(target)])
    if was != now:
        raise JobError(
            "COMPACT_CHANGED_ROWS",
            f"{source} had {was[0]} rows and the copy has {now[0]}, or their content differs.",
            f"Do not read {target}. See who wrote to the source meanwhile, and run again.",
        )


def _spread(
    spark: SparkSession, frame: DataFrame, target_bytes: int, size: int, partition_by: tuple[str, ...]
) -> DataFrame:
    if not partition_by:
        return frame.repartition(max(1, -(-size // target_bytes)))
    # REBALANCE joins and splits tasks by the bytes of the shuffle, which hold about three times what Parquet needs.
    spark.conf.set("spark.sql.adaptive.advisoryPartitionSizeInBytes", str(3 * target_bytes))
    return frame.hint("rebalance", *partition_by)


def _size(spark: SparkSession, folder: str) -> tuple[int, int]:
    """(files, bytes) of the Parquet files at any depth."""
    jvm = spark._jvm
    assert jvm is not None
    path = jvm.org.apache.hadoop.fs.Path(folder)
    fs = path.getFileSystem(spark._jsc.hadoopConfiguration())
    found = fs.listFiles(path, True)
    files = size = 0
    while found.hasNext():
        status = found.next()
        if not status.getPath().getName().startswith(("_", ".")):
            files, size = files + 1, size + int(status.getLen())
    return files, size
