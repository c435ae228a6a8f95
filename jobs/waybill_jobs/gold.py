"""Silver to gold: delays by route, carrier and weather. Sums are of integers, quotients are decimals, so the same
flights give the same digits on any cluster, in any order."""

from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column as SqlColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from waybill_jobs.commits import is_table, table_size
from waybill_jobs.errors import JobError
from waybill_jobs.export import export_table
from waybill_jobs.io import in_parallel, read_table, timed
from waybill_jobs.layout import Lake
from waybill_jobs.quality import content_hash
from waybill_jobs.results import TableResult
from waybill_jobs.scd2 import IS_CURRENT
from waybill_jobs.write import write_once

LATE_MINUTES = 15


@dataclass(frozen=True)
class GoldTable:
    """A gold table: its key (also the export's order) and its columns with the SQL types they are served as."""

    name: str
    key: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]


_DELAYS = (
    ("flights", "bigint"),
    ("cancelled", "bigint"),
    ("arrived", "bigint"),
    ("delayed_over_15", "bigint"),
    ("share_delayed", "decimal(6,4)"),
    ("dep_delay_avg", "decimal(9,2)"),
    ("dep_delay_p50", "int"),
    ("dep_delay_p90", "int"),
    ("arr_delay_avg", "decimal(9,2)"),
    ("arr_delay_p50", "int"),
    ("arr_delay_p90", "int"),
)

BY_ROUTE_CARRIER = GoldTable(
    "delays_by_route_carrier",
    ("origin", "dest", "carrier"),
    (
        ("origin", "varchar(3)"),
        ("dest", "varchar(3)"),
        ("carrier", "varchar(2)"),
        ("origin_name", "varchar(200)"),
        ("dest_name", "varchar(200)"),
        ("carrier_name", "varchar(200)"),
        ("distance", "int"),
        *_DELAYS,
        ("air_time_avg", "decimal(9,2)"),
        ("seats_scheduled", "bigint"),
    ),
)

BY_WEATHER = GoldTable(
    "delays_by_weather",
    ("origin", "wind_band", "precip_band", "visib_band"),
    (
        ("origin", "varchar(3)"),
        ("wind_band", "varchar(20)"),
        ("precip_band", "varchar(20)"),
        ("visib_band", "varchar(20)"),
        *_DELAYS,
    ),
)

#: Bands are (upper bound, name), tried in order; the last has none. Wind in mph, precipitation in inches an hour,
#: visibility in miles. No reading: 'unknown'.
WIND = ((4, "calm"), (13, "breeze"), (25, "wind"), (None, "gale"))
PRECIP = ((0, "dry"), ("0.10", "light"), (None, "heavy"))
VISIB = ((1, "fog"), (5, "haze"), (None, "clear"))


def gold(spark: SparkSession, lake: Lake, run: str, export: str | None) -> tuple[list[TableResult], dict[str, Any]]:
    """Rebuilds both tables whole, and exports what the tables then hold. Repeating it changes nothing."""

    def one(table: GoldTable) -> tuple[TableResult, dict[str, Any] | None]:
        frame = by_route_carrier(spark, lake) if table is BY_ROUTE_CARRIER else by_weather(spark, lake)
        return _publish(spark, lake, run, table, frame, export)

    done = in_parallel(one, [BY_ROUTE_CARRIER, BY_WEATHER])
    return [result for result, _ in done], {"exports": [manifest for _, manifest in done if manifest]}


def _publish(
    spark: SparkSession, lake: Lake, run: str, table: GoldTable, frame: DataFrame, export: str | None
) -> tuple[TableResult, dict[str, Any] | None]:
    path = lake.table("gold", table.name)
    columns = [F.col(name).cast(_spark_type(sql_type)).alias(name) for name, sql_type in table.columns]
    shaped = frame.select(*columns).coalesce(1).sortWithinPartitions(*table.key)
    with timed(f"gold/{table.name}"):
        outcome = write_once(
            spark,
            shaped,
            path,
            step=f"gold/{table.name}",
            run=run,
            mode="overwrite",
            options={"overwriteSchema": "true"},
        )
    stored = read_table(spark, path, outcome.version)
    manifest = None
    if export:
        with timed(f"gold/{table.name}: export"):
            manifest = export_table(
                spark,
                stored,
                f"{export}/{table.name}",
                table.name,
                table.columns,
                table.key,
                run,
                outcome.version,
            )
    if manifest:
        rows, content = int(manifest["rows"]), str(manifest["contentHash"])
    else:
        rows, content = content_hash(stored)
    files, size = table_size(spark, path, outcome.version)
    details = {"contentHash": content}
    return TableResult(
        f"gold/{table.name}", path, outcome.version, rows, files, size, outcome.written, details
    ), manifest


def _spark_type(sql_type: str) -> str:
    return "string" if sql_type.startswith("varchar") else sql_type


def _silver(spark: SparkSession, lake: Lake, name: str) -> DataFrame:
    path = lake.table("silver", name)
    if not is_table(spark, path):
        raise JobError(
            "GOLD_NO_SILVER",
            f"There is no silver table {name} at {path}.",
            "Run the silver job first, with the same --lake.",
        )
    return read_table(spark, path)


def _average(total: SqlColumn, count: SqlColumn, scale: int) -> SqlColumn:
    """Quotient of integers as a decimal, NULL when the count is 0."""
    wide = total.cast("decimal(19,0)") / F.nullif(count, F.lit(0)).cast("decimal(19,0)")
    return F.round(wide, scale)


def _delays() -> list[SqlColumn]:
    """The measures both tables share. A flight without a departure time was cancelled; percentiles are minutes
    that some flight really had (percentile_disc), over the flights that departed or arrived."""

    def mean(name: str) -> SqlColumn:
        return _average(F.sum(name), F.count(name), 2)

    def at(fraction: float, name: str) -> SqlColumn:
        return F.expr(f"percentile_disc({fraction}) WITHIN GROUP (ORDER BY {name})").cast("int")

    late = F.count_if(F.col("dep_delay") > LATE_MINUTES)
    return [
        F.count(F.lit(1)).alias("flights"),
        F.count_if(F.col("dep_time").isNull()).alias("cancelled"),
        F.count("arr_delay").alias("arrived"),
        late.alias("delayed_over_15"),
        _average(late, F.count("dep_delay"), 4).alias("share_delayed"),
        mean("dep_delay").alias("dep_delay_avg"),
        at(0.5, "dep_delay").alias("dep_delay_p50"),
        at(0.9, "dep_delay").alias("dep_delay_p90"),
        mean("arr_delay").alias("arr_delay_avg"),
        at(0.5, "arr_delay").alias("arr_delay_p50"),
        at(0.9, "arr_delay").alias("arr_delay_p90"),
    ]


def by_route_carrier(spark: SparkSession, lake: Lake) -> DataFrame:
    """One row for each origin, destination and carrier, with names and the seats of the planes that are known."""
    planes = _silver(spark, lake, "planes").where(IS_CURRENT).select("tailnum", "seats")
    airlines = _silver(spark, lake, "airlines").select("carrier", F.col("name").alias("carrier_name"))
    airports = _silver(spark, lake, "airports").select("faa", "name")
    flights = _silver(spark, lake, "flights").join(F.broadcast(planes), "tailnum", "left")
    measured = flights.groupBy("origin", "dest", "carrier").agg(
        F.max("distance").alias("distance"),
        *_delays(),
        _average(F.sum("air_time"), F.count("air_time"), 2).alias("air_time_avg"),
        F.sum("seats").alias("seats_scheduled"),
    )
    origins = airports.select(F.col("faa").alias("origin"), F.col("name").alias("origin_name"))
    dests = airports.select(F.col("faa").alias("dest"), F.col("name").alias("dest_name"))
    return (
        measured.join(F.broadcast(airlines), "carrier", "left")
        .join(F.broadcast(origins), "origin", "left")
        .join(F.broadcast(dests), "dest", "left")
    )


def band(name: str, bands: tuple[tuple[int | str | None, str], ...]) -> SqlColumn:
    """The name of the first band whose upper bound (inclusive) the value does not pass."""
    value = F.col(name)
    chosen = F.when(value.isNull(), F.lit("unknown"))
    for bound, label in bands:
        if bound is None:
            return chosen.otherwise(F.lit(label))
        chosen = chosen.when(value <= F.lit(str(bound)).cast("decimal(9,5)"), F.lit(label))
    raise ValueError(f"the bands of {name} have no last, open one")


def by_weather(spark: SparkSession, lake: Lake) -> DataFrame:
    """One row for each origin and combination of wind, precipitation and visibility at the scheduled hour."""
    weather = _silver(spark, lake, "weather").select("origin", "time_hour", "wind_speed", "precip", "visib")
    flights = _silver(spark, lake, "flights").select("origin", "time_hour", "dep_time", "dep_delay", "arr_delay")
    joined = flights.join(F.broadcast(weather), ["origin", "time_hour"], "left")
    banded = joined.select(
        "*",
        band("wind_speed", WIND).alias("wind_band"),
        band("precip", PRECIP).alias("precip_band"),
        band("visib", VISIB).alias("visib_band"),
    )
    return banded.groupBy("origin", "wind_band", "precip_band", "visib_band").agg(*_delays())
