"""Files and Delta tables by path: the few operations all jobs share."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession

T = TypeVar("T")
R = TypeVar("R")


def _path(spark: SparkSession, uri: str) -> tuple[Any, Any]:
    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(uri)
    return path.getFileSystem(spark._jsc.hadoopConfiguration()), path


def exists(spark: SparkSession, uri: str) -> bool:
    """Whether a file or directory is there. Any failure other than absence raises."""
    fs, path = _path(spark, uri)
    return bool(fs.exists(path))


def delete(spark: SparkSession, uri: str) -> None:
    """Removes a file or a directory with all it holds; absent is fine."""
    fs, path = _path(spark, uri)
    fs.delete(path, True)


def write_text(spark: SparkSession, uri: str, text: str) -> None:
    """Creates or replaces a small UTF-8 file in one put."""
    fs, path = _path(spark, uri)
    stream = fs.create(path, True)
    try:
        stream.write(bytearray(text.encode("utf-8")))
    finally:
        stream.close()


def read_text(spark: SparkSession, uri: str) -> str:
    """The content of a small UTF-8 file."""
    fs, path = _path(spark, uri)
    stream = fs.open(path)
    jvm: Any = spark._jvm
    try:
        return str(jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
    finally:
        stream.close()


def list_files(spark: SparkSession, uri: str) -> list[tuple[str, int]]:
    """(name, bytes) of the files directly under a directory, by name; empty when it is absent."""
    fs, path = _path(spark, uri)
    if not fs.exists(path):
        return []
    return sorted((s.getPath().getName(), int(s.getLen())) for s in fs.listStatus(path) if s.isFile())


def rename(spark: SparkSession, source: str, target: str) -> None:
    """Moves a file over whatever is at the target."""
    fs, origin = _path(spark, source)
    _, destination = _path(spark, target)
    fs.delete(destination, False)
    if not fs.rename(origin, destination):
        raise OSError(f"{source} could not be renamed to {target}")


def is_table(spark: SparkSession, path: str) -> bool:
    """Whether a Delta table is at the path. Absence is told from failure: a store that cannot answer raises."""
    return exists(spark, f"{path}/_delta_log") and DeltaTable.isDeltaTable(spark, path)


def read_table(spark: SparkSession, path: str, version: int | None = None) -> DataFrame:
    """A Delta table at its newest, or at a given, version."""
    reader = spark.read.format("delta")
    return (reader if version is None else reader.option("versionAsOf", version)).load(path)


def last_commit(spark: SparkSession, path: str) -> tuple[int, dict[str, str]]:
    """Version and operation metrics of the newest commit."""
    row = DeltaTable.forPath(spark, path).history(1).select("version", "operationMetrics").head()
    assert row is not None  # a Delta table has at least one commit
    return int(row[0]), dict(row[1] or {})


def current_version(spark: SparkSession, path: str) -> int:
    """The table's newest version, or -1 when there is no table."""
    return last_commit(spark, path)[0] if is_table(spark, path) else -1


@dataclass(frozen=True)
class WriteOutcome:
    """`written` is False when this run's write had already been committed; `rows` is then unknown (None)."""

    version: int
    written: bool
    rows: int | None


def generation(spark: SparkSession, path: str) -> int:
    """Version of the table's newest RESTORE, or -1.

    RESTORE takes rows back but leaves Delta's record of applied transactions in place, so a run that is repeated
    after its compensation must not use the transaction ids of the attempt that was undone.
    """
    rows = DeltaTable.forPath(spark, path).history().where("operation = 'RESTORE'").select("version").collect()
    return max((int(row[0]) for row in rows), default=-1)


def transaction(spark: SparkSession, path: str, step: str, run: str) -> tuple[dict[str, str], int]:
    """Delta's idempotent-write options for one write of one run, and the table's version before it (-1: none)."""
    before = current_version(spark, path)
    epoch = generation(spark, path) if before >= 0 else -1
    return {"txnAppId": f"waybill/{step}/{run}/{epoch}", "txnVersion": "1"}, before


def write_once(
    spark: SparkSession,
    frame: DataFrame,
    path: str,
    *,
    step: str,
    run: str,
    mode: str,
    partition_by: tuple[str, ...] = (),
    options: dict[str, str] | None = None,
) -> WriteOutcome:
    """Writes a frame to a Delta table exactly once per run and step, however often the job is repeated."""
    guard, before = transaction(spark, path, step, run)
    writer = frame.write.format("delta").mode(mode).options(**guard).options(**(options or {}))
    if partition_by:
        writer = writer.partitionBy(*partition_by)
    writer.save(path)
    version, metrics = last_commit(spark, path)
    if version == before:
        return WriteOutcome(version, False, None)
    return WriteOutcome(version, True, int(metrics.get("numOutputRows", "0")))


def table_size(spark: SparkSession, path: str) -> tuple[int, int]:
    """(files, bytes) of the table's newest version."""
    row = DeltaTable.forPath(spark, path).detail().select("numFiles", "sizeInBytes").head()
    assert row is not None
    return int(row[0]), int(row[1])


def in_parallel(work: Callable[[T], R], items: list[T], threads: int = 3) -> list[R]:
    """Runs independent table jobs side by side, so that one table's commit hides another's listing.

    Results come in the order of the items. The first failure is raised after all have ended.
    """
    with ThreadPoolExecutor(max_workers=threads) as pool:
        futures = [pool.submit(work, item) for item in items]
    return [future.result() for future in futures]
