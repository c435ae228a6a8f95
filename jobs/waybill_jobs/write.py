"""Writing a Delta table once per run, however often the job is repeated."""

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from waybill_jobs.commits import Commit, commits_after, current_version, generation


@dataclass(frozen=True)
class WriteOutcome:
    """`written` is False when this run's write had already been committed; `rows` is then unknown (None)."""

    version: int
    written: bool
    rows: int | None


def transaction(spark: SparkSession, path: str, step: str, run: str) -> tuple[dict[str, str], int]:
    """Delta's idempotent-write options for one write of one run, and the table's version before it (-1: none)."""
    before = current_version(spark, path)
    epoch = generation(spark, path) if before >= 0 else -1
    return {"txnAppId": f"waybill/{step}/{run}/{epoch}", "txnVersion": "1"}, before


def own_commit(spark: SparkSession, path: str, before: int, run: str) -> Commit | None:
    """The run's newest commit after a version; other writers (an OPTIMIZE beside it) are passed over."""
    mine = [commit for commit in commits_after(spark, path, before) if commit.run == run]
    return mine[-1] if mine else None


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
    statistics: tuple[str, ...] = (),
) -> WriteOutcome:
    """Writes a frame to a Delta table exactly once per run and step.

    `statistics` names the columns of a new table whose least and greatest values are kept for each file, for queries
    that skip files by them; by default Delta keeps them for the first 32, which costs as much as writing the rows.
    """
    guard, before = transaction(spark, path, step, run)
    writer = frame.write.format("delta").mode(mode).options(**guard).options(**(options or {}))
    if statistics:
        writer = writer.option("delta.dataSkippingStatsColumns", ",".join(statistics))
    if partition_by:
        writer = writer.partitionBy(*partition_by)
    writer.save(path)
    done = own_commit(spark, path, before, run)
    if done is None:
        return WriteOutcome(current_version(spark, path), False, None)
    return WriteOutcome(done.version, True, int(done.metrics.get("numOutputRows", "0")))
