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


def count_keys(bronze: DataFrame, table: Table) -> tuple[int, bool]:
    """(rows, whether a key repeats), by reading the key's columns only. Rows without a whole key do not count."""
    raw = bronze.select(F.struct(*table.key).alias("raw"))
    keys = raw.select(*[typed(column).alias(column.name) for column in table.columns if column.name in table.key])
    whole = reduce(lambda left, right: left & right, [F.col(name).isNotNull() for name in table.key])
    counts = keys.agg(F.count(F.lit(1)), F.count_if(whole), F.count_distinct(*table.key)).head()
    assert counts is not None
    return int(counts[0]), int(counts[1]) != int(counts[2])


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


def content_hash(frame: DataFrame, ignore: tuple[str, ...] = ()) -> tuple[int, str]:
    """(rows, hash) of a frame: the sum of 64-bit row hashes, so neither order nor file layout changes it, while
    a lost, doubled or altered row does."""
    names = [name for name in sorted(frame.columns) if name not in ignore]
    # NULL does not change xxhash64's state: without a mark, (NULL, 'a') and ('a', NULL) would be the same row.
    marks = [F.col(name).isNull() for name in names]
    row = F.xxhash64(*names, *marks).cast("decimal(20,0)")
    result = frame.agg(F.count(F.lit(1)), F.sum(row)).head()
    assert result is not None
    return int(result[0]), str(result[1] if result[1] is not None else 0)
