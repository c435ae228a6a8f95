"""Typing and judging rows: every bronze row is either a typed row or has a reason why not."""

from pyspark.sql import Column as SqlColumn
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from waybill_jobs.schemas import CORRUPT, INGESTED_AT, RUN, SOURCE_FILE, Column, Table

REASON = "_reason"
RECORD = "_record"
_RANK = "_rank"


def typed(column: Column) -> SqlColumn:
    """The column's typed value; NULL when absent, blank, or not of the type."""
    text = F.nullif(F.trim(F.col(f"raw.{column.name}")), F.lit(""))
    if column.type == "string":
        return text
    if column.type in ("int", "bigint"):
        # "517.0" is an integer that passed through a floating-point frame; "517.5" is not an integer.
        number = text.try_cast("decimal(38,6)")
        return F.when(number == F.floor(number), number.try_cast(column.type))
    return text.try_cast(column.type)


def judge(bronze: DataFrame, table: Table) -> DataFrame:
    """Typed columns plus `_reason` (NULL: good) and, for a refused row, `_record`: its source columns as JSON."""
    raw = bronze.select(
        F.struct(*[F.col(name) for name in table.names]).alias("raw"), CORRUPT, SOURCE_FILE, INGESTED_AT, RUN
    )
    values = raw.select("*", *[typed(column).alias(column.name) for column in table.columns])
    reasons = [F.when(F.col(CORRUPT).isNotNull(), F.lit("malformed_record"))]
    for column in table.columns:
        present = F.length(F.trim(F.col(f"raw.{column.name}"))) > 0
        value = F.col(column.name)
        if column.type != "string":
            reasons.append(F.when(present & value.isNull(), F.lit(f"not_{column.type}:{column.name}")))
        if column.required:
            absent = ~F.coalesce(present, F.lit(False))
            reasons.append(F.when(absent, F.lit(f"missing:{column.name}")))
        if column.check is not None:
            reasons.append(F.when(~F.expr(column.check), F.lit(f"out_of_range:{column.name}")))
    for reason, condition in table.rules:
        reasons.append(F.when(~F.expr(condition), F.lit(reason)))
    joined = F.nullif(F.concat_ws("; ", *reasons), F.lit(""))
    judged = values.withColumn(REASON, joined)
    record = F.when(F.col(REASON).isNotNull(), F.coalesce(CORRUPT, F.to_json("raw", {"ignoreNullFields": "false"})))
    return judged.select(*table.names, record.alias(RECORD), REASON, SOURCE_FILE, INGESTED_AT, RUN)


def rank_duplicates(judged: DataFrame, table: Table) -> DataFrame:
    """Good rows with their rank within the key: 1 is the row that stays.

    The newest ingestion wins, then the greatest file name, then the greatest values column by column, so the pick
    depends on nothing but the data.
    """
    order = [F.col(name).desc_nulls_last() for name in (INGESTED_AT, SOURCE_FILE, *table.names)]
    window = Window.partitionBy(*table.key).orderBy(*order)
    return judged.where(F.col(REASON).isNull()).withColumn(_RANK, F.row_number().over(window))


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
    bad = judged.where(F.col(REASON).isNotNull()).select(*shape)
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
