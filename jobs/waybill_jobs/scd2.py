"""Slowly changing dimension, type 2: a table that keeps every state a key was in, by one MERGE a run."""

from dataclasses import dataclass

from delta.tables import DeltaTable
from pyspark.sql import Column as SqlColumn
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from waybill_jobs.commits import is_table
from waybill_jobs.errors import JobError
from waybill_jobs.io import read_table
from waybill_jobs.schemas import RUN
from waybill_jobs.session import merge_session
from waybill_jobs.write import own_commit, transaction, write_once

VALID_FROM = "valid_from"
VALID_TO = "valid_to"
IS_CURRENT = "is_current"
ROW_HASH = "row_hash"


@dataclass(frozen=True)
class MergeOutcome:
    """What one run did to the history: source rows, keys added, keys whose attributes changed (one row closed,
    one opened)."""

    version: int
    written: bool
    rows: int
    added: int
    changed: int


def row_hash(attributes: tuple[str, ...]) -> SqlColumn:
    """SHA-256 over the attributes as JSON, in which NULL and '' are different."""
    return F.sha2(F.to_json(F.struct(*attributes), {"ignoreNullFields": "false"}), 256)


def merge_history(
    spark: SparkSession,
    source: DataFrame,
    path: str,
    *,
    key: str,
    attributes: tuple[str, ...],
    as_of: str,
    run: str,
    step: str,
    keys_are_good: bool = False,
) -> MergeOutcome:
    """Brings a snapshot of the source into the history table at `path`.

    New keys are inserted, changed keys closed at `as_of` and inserted anew from `as_of`; unchanged keys are left
    alone, and a snapshot that changes nothing commits nothing. A key that the snapshot lacks stays current.

    Raises JobError: SCD2_NULL_KEY, SCD2_DUPLICATE_KEY (the source must have each key once), SCD2_LATE_DATA
    (a change dated at or before the state it would close). `keys_are_good` says that the caller already saw to the
    keys; they are then not counted again.
    """
    rows = None if keys_are_good else _count_good_keys(source, key, path)
    incoming = source.select(key, *attributes).withColumn(ROW_HASH, row_hash(attributes))
    moment = F.lit(as_of).cast("timestamp")
    opened = [
        moment.alias(VALID_FROM),
        F.lit(None).cast("timestamp").alias(VALID_TO),
        F.lit(True).alias(IS_CURRENT),
        F.lit(run).alias(RUN),
    ]
    if not is_table(spark, path):
        outcome = write_once(spark, incoming.select("*", *opened), path, step=step, run=run, mode="append")
        inserted = outcome.rows or 0
        return MergeOutcome(outcome.version, outcome.written, inserted if rows is None else rows, inserted, 0)

    guard, before = transaction(spark, path, step, run)
    current = read_table(spark, path, before).where(IS_CURRENT)
    compared = incoming.alias("s").join(
        current.select(F.col(key).alias("t_key"), F.col(ROW_HASH).alias("t_hash"), VALID_FROM),
        F.col(f"s.{key}") == F.col("t_key"),
        "left",
    )
    is_new = F.col("t_key").isNull()
    is_changed = F.col("t_hash") != F.col(f"s.{ROW_HASH}")
    counts = compared.agg(
        F.count(F.lit(1)),
        F.count_if(is_new),
        F.count_if(is_changed),
        F.count_if(is_changed & (F.col(VALID_FROM) >= moment)),
    ).head()
    assert counts is not None
    # A key has at most one current row, so the join repeats no source row.
    rows, added, changed, late = (int(count) for count in counts)
    if late:
        raise JobError(
            "SCD2_LATE_DATA",
            f"{late} changed rows of {path} are dated {as_of}, not after the state they would close.",
            "Run the windows in order, or restore the table to the version before the later run and replay both.",
        )
    if added == 0 and changed == 0:
        return MergeOutcome(before, False, rows, 0, 0)

    session = merge_session(spark, guard)
    columns = [key, *attributes, ROW_HASH]
    to_close = compared.where(is_changed).select(F.col(key).alias("merge_key"), *columns)
    to_open = compared.where(is_new | is_changed).select(F.lit(None).cast("string").alias("merge_key"), *columns)
    values = {name: F.col(f"s.{name}") for name in columns}
    (
        DeltaTable.forPath(session, path)
        .alias("t")
        .merge(to_close.unionByName(to_open).alias("s"), f"t.{key} = s.merge_key AND t.{IS_CURRENT}")
        .whenMatchedUpdate(set={VALID_TO: moment, IS_CURRENT: F.lit(False)})
        .whenNotMatchedInsert(
            values={
                **values,
                VALID_FROM: moment,
                VALID_TO: F.lit(None).cast("timestamp"),
                IS_CURRENT: F.lit(True),
                RUN: F.lit(run),
            }
        )
        .execute()
    )
    done = own_commit(spark, path, before, run)
    return MergeOutcome(done.version if done else before, done is not None, rows, added, changed)


def _count_good_keys(source: DataFrame, key: str, path: str) -> int:
    """Rows of the source, each with a key of its own; anything else raises."""
    keys = source.groupBy(key).count()
    counts = keys.agg(
        F.sum(F.when(F.col(key).isNull(), F.col("count"))),
        F.count_if(F.col(key).isNotNull() & (F.col("count") > 1)),
        F.sum("count"),
    ).head()
    assert counts is not None
    if counts[0]:
        raise JobError(
            "SCD2_NULL_KEY",
            f"{counts[0]} source rows for {path} have no {key}.",
            "Quarantine rows without a key before the merge; silver does.",
        )
    if counts[1]:
        raise JobError(
            "SCD2_DUPLICATE_KEY",
            f"{counts[1]} values of {key} come more than once in the source for {path}.",
            "De-duplicate by a declared order before the merge; silver does.",
        )
    return int(counts[2] or 0)


def examine_history(frame: DataFrame, key: str) -> tuple[dict[str, int], dict[str, int]]:
    """Counts of a history table, and counts of what must never be in one: all of these zero when it is sound."""
    in_time = Window.partitionBy(key).orderBy(VALID_FROM)
    seen = (
        frame.withColumn("_next", F.lead(VALID_FROM).over(in_time))
        .withColumn("_current", F.sum(F.col(IS_CURRENT).cast("int")).over(Window.partitionBy(key)))
        .withColumn("_row", F.row_number().over(in_time))
    )
    facts = {
        "rows": F.count(F.lit(1)),
        "currentRows": F.count_if(IS_CURRENT),
        "distinctKeys": F.count_if((F.col("_row") == 1) & F.col(key).isNotNull()),
    }
    faults = {
        "nullKeys": F.count_if(F.col(key).isNull()),
        "keysWithoutOneCurrentRow": F.count_if((F.col("_row") == 1) & (F.col("_current") != 1)),
        "gapsOrOverlaps": F.count_if(F.col("_next").isNotNull() & ~F.col(VALID_TO).eqNullSafe(F.col("_next"))),
        "emptyIntervals": F.count_if(F.col(VALID_TO).isNotNull() & (F.col(VALID_TO) <= F.col(VALID_FROM))),
        "currentFlagWrong": F.count_if(F.col(IS_CURRENT) != F.col(VALID_TO).isNull()),
    }
    measures = {**facts, **faults}
    row = seen.agg(*[measure.alias(name) for name, measure in measures.items()]).head()
    assert row is not None
    counts = {name: int(value) for name, value in row.asDict().items()}
    return {name: counts[name] for name in facts}, {name: counts[name] for name in faults}


def describe_faults(table: str, faults: dict[str, int]) -> list[str]:
    """Each fault that was found, in words."""
    return [f"{table}: {kind} = {count}" for kind, count in faults.items() if count]
