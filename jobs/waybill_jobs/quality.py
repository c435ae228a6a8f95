"""Typing and judging rows: every bronze row is either a typed row or has a reason why not."""

from functools import reduce

from pyspark.sql import Column as SqlColumn
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from waybill_jobs.schemas import CORRUPT, INGESTED_AT, RUN, SOURCE_FILE, Column, Table

BAD = "_bad"
REASON = "_reason"
RECORD = "_record"
_RANK = "_rank"


def typed(column: Column) -> SqlColumn:
    """The column's typed value; NULL when absent, blank, or not of the type."""
    text = F.nullif(F.trim(F.col(f"raw.{column.name}")), F.lit(""))
    if column.type == "string":
        return text
    value = text.try_cast(column.type)
    if column.type in ("int", "bigint"):
        # "517.0" is an integer that passed through a floating-point frame; "517.5" is not an integer.
        return F.coalesce(value, F.regexp_replace(text, r"\.0+$", "").try_cast(column.type))
    return value


def _faults(table: Table) -> list[tuple[str, SqlColumn]]:
    """(reason, condition that makes a row bad): an undecided condition is not a fault."""
    faults = [("malformed_record", F.col(CORRUPT).isNotNull())]
    for column in table.columns:
        value = F.col(column.name)
        blank = F.coalesce(F.length(F.trim(F.col(f"raw.{column.name}"))) == 0, F.lit(True))
        if column.type != "string":
            faults.append((f"not_{column.type}:{column.name}", value.isNull() & ~blank))
        if column.required:
            faults.append((f"missing:{column.name}", value.isNull() & blank))
        if column.check is not None:
            faults.append((f"out_of_range:{column.name}", ~F.expr(column.check)))
    faults.extend((reason, ~F.expr(condition)) for reason, condition in table.rules)
    return [(reason, F.coalesce(condition, F.lit(False))) for reason, condition in faults]


def judge(bronze: DataFrame, table: Table) -> DataFrame:
    """Typed columns, `_bad`, and for a bad row its `_reason` and its source columns as JSON (`_record`).

    Queries that keep the good rows filter on `_bad`, so Spark never computes what only quarantine needs.
    """
    raw = bronze.select(
        F.struct(*[F.col(name) for name in table.names]).alias("raw"), CORRUPT, SOURCE_FILE, INGESTED_AT, RUN
    )
    values = raw.select("*", *[typed(column).alias(column.name) for column in table.columns])
    faults = _faults(table)
    any_fault = reduce(lambda left, right: left | right, [condition for _, condition in faults])
    # Naming the faults is only for the few rows that have one.
    named = F.concat_ws("; ", *[F.when(condition, F.lit(reason)) for reason, condition in faults])
    record = F.coalesce(CORRUPT, F.to_json("raw", {"ignoreNullFields": "false"}))
    return values.withColumn(BAD, any_fault).select(
        *table.names,
        BAD,
        F.when(F.col(BAD), record).alias(RECORD),
        F.when(F.col(BAD), named).alias(REASON),
        SOURCE_FILE,
        INGESTED_AT,
        RUN,
    )


def count_keys(landed: dict[str, DataFrame], tables: dict[str, Table]) -> dict[str, tuple[int, bool]]:
    """(rows, whether a key may repeat) of each table, by one query that reads the keys' columns only.

    Keys are compared by a 64-bit hash: equal keys always meet; different keys that do cost a ranking that finds
    nothing. Rows without a whole key do not count.
    """
    frames = []
    for name, bronze in landed.items():
        table = tables[name]
        raw = bronze.select(F.struct(*table.key).alias("raw"))
        keys = raw.select(*[typed(column).alias(column.name) for column in table.columns if column.name in table.key])
        whole = reduce(lambda left, right: left & right, [F.col(key).isNotNull() for key in table.key])
        frames.append(keys.select(F.lit(name).alias("table"), F.when(whole, F.xxhash64(*table.key)).alias("key")))
    counts = reduce(DataFrame.unionAll, frames).groupBy("table").agg(
        F.count(F.lit(1)), F.count("key"), F.count_distinct("key")
    )
    found = {row[0]: (int(row[1]), int(row[2]) != int(row[3])) for row in counts.collect()}
    return {name: found.get(name, (0, False)) for name in landed}


def rank_duplicates(judged: DataFrame, table: Table, keys_repeat: bool) -> DataFrame:
    """Good rows with their rank within the key: 1 is the row that stays.

    Ranking sorts whole rows, so it is left out when `keys_repeat` says that it would find nothing. The newest
    ingestion wins, then the greatest file name, then the greatest values column by column, so the pick depends on
    nothing but the data.
    """
    order = [F.col(name).desc_nulls_last() for name in (INGESTED_AT, SOURCE_FILE, *table.names)]
    window = Window.partitionBy(*table.key).orderBy(*order)
    rank = F.row_number().over(window) if keys_repeat else F.lit(1)
    return judged.where(~F.col(BAD)).withColumn(_RANK, rank)


def kept(ranked: DataFrame, table: Table) -> DataFrame:
    """One row a key, in the table's columns plus its lineage."""
    return ranked.where(F.col(_RANK) == 1).select(*table.names, INGESTED_AT, RUN)


def refused(judged: DataFrame, ranked: DataFrame, table: Table) -> DataFrame:
    """Everything that does not reach silver, with its reason: bad rows, and good rows whose key another row has."""
    shape: list[SqlColumn | str] = [
        F.lit(table.name).alias("table_name"),
        REASON,
        RECORD,
        SOURCE_FILE,
        INGESTED_AT,
        RUN,
    ]
    bad = judged.where(BAD).select(*shape)
    doubles = (
        ranked.where(F.col(_RANK) > 1)
        .withColumn(REASON, F.lit("duplicate_key"))
        .withColumn(RECORD, F.to_json(F.struct(*table.names), {"ignoreNullFields": "false"}))
        .select(*shape)
    )
    return bad.unionByName(doubles)


def row_hash(names: list[str]) -> SqlColumn:
    """64 bits of a row's values, as a decimal so that a sum of them cannot overflow."""
    ordered = sorted(names)
    # NULL does not change xxhash64's state: without a mark, (NULL, 'a') and ('a', NULL) would be the same row.
    marks = [F.col(name).isNull() for name in ordered]
    return F.xxhash64(*ordered, *marks).cast("decimal(20,0)")


def content_hashes(frames: list[DataFrame], ignore: tuple[str, ...] = ()) -> list[tuple[int, str]]:
    """(rows, hash) of each frame, by one query: the sum of 64-bit row hashes, so neither order nor file layout
    changes it, while a lost, doubled or altered row does."""
    hashed = [
        frame.select(
            F.lit(index).alias("frame"), row_hash([n for n in frame.columns if n not in ignore]).alias("hash")
        )
        for index, frame in enumerate(frames)
    ]
    sums = reduce(DataFrame.unionAll, hashed).groupBy("frame").agg(F.count(F.lit(1)), F.sum("hash").cast("string"))
    found = {int(row[0]): (int(row[1]), str(row[2])) for row in sums.collect()}
    return [found.get(index, (0, "0")) for index in range(len(frames))]


def content_hash(frame: DataFrame, ignore: tuple[str, ...] = ()) -> tuple[int, str]:
    """`content_hashes` of one frame."""
    return content_hashes([frame], ignore)[0]
