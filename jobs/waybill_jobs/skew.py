"""Joins that survive a key which half of the rows have: how skewed is it, and what to do about it.

Three ways: send the small table to every executor (no shuffle, so no skew); let adaptive execution split the partition
that is too large; or salt, which spreads each key's rows over several keys and repeats the other table's rows for each.
"""

from dataclasses import asdict, dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from waybill_jobs.transform_spec import Join

#: A key with more rows than so many average partitions makes one task outlast all others. Spark's own factor is 5.
FACTOR = 5.0
#: The most salts that are chosen by themselves: the other table is repeated so many times.
MOST_SALTS = 64
_SALT = "_waybill_salt"


@dataclass(frozen=True)
class Skew:
    """Of the rows to be joined: how many, the most that one key has, and that over an average partition's rows."""

    rows: int
    keys: int
    heaviest: int
    factor: float


@dataclass(frozen=True)
class Chosen:
    """How a join is done, and why."""

    strategy: str
    salts: int
    reason: str
    skew: Skew | None

    def told(self) -> dict[str, object]:
        return asdict(self)


def measure(rows: DataFrame, keys: tuple[str, ...]) -> Skew:
    """Counts rows by key: it reads the key's columns only, and rows meet as counts. Rows without a key join nothing."""
    whole = rows.select(*keys).dropna()
    found = whole.groupBy(*keys).count().agg(F.sum("count"), F.count(F.lit(1)), F.max("count")).head()
    assert found is not None
    total, distinct, heaviest = (int(value or 0) for value in found)
    partitions = int(str(rows.sparkSession.conf.get("spark.sql.shuffle.partitions")))
    average = max(1.0, total / max(1, min(partitions, distinct)))
    return Skew(total, distinct, heaviest, round(heaviest / average, 2))


def choose(spark: SparkSession, rows: DataFrame, join: Join, bytes_of_table: int) -> Chosen:
    """Picks a join's strategy, unless it is told."""
    if join.strategy == "broadcast":
        return Chosen("broadcast", 0, "asked for", None)
    if join.strategy == "aqe":
        return Chosen("aqe", 0, "asked for", None)
    if join.strategy == "auto" and bytes_of_table <= join.broadcast_bytes:
        return Chosen("broadcast", 0, f"{bytes_of_table} bytes of files are no more than {join.broadcast_bytes}", None)
    skew = measure(rows, join.on)
    salts = join.salts or min(MOST_SALTS, max(2, round(skew.factor)))
    if join.strategy == "salt":
        return Chosen("salt", salts, "asked for", skew)
    if skew.factor < FACTOR:
        return Chosen("aqe", 0, f"the heaviest key has {skew.factor} average partitions of rows: no skew", skew)
    adaptive = all(
        str(spark.conf.get(name)).lower() == "true"
        for name in ("spark.sql.adaptive.enabled", "spark.sql.adaptive.skewJoin.enabled")
    )
    if adaptive:
        return Chosen("aqe", 0, f"the heaviest key has {skew.factor} average partitions of rows: AQE splits them", skew)
    return Chosen("salt", salts, f"the heaviest key has {skew.factor} average partitions of rows, and AQE is off", skew)


def join_rows(rows: DataFrame, other: DataFrame, join: Join, chosen: Chosen) -> DataFrame:
    """The rows with the other table's columns. A salted join gives the rows that the plain one gives."""
    on = list(join.on)
    if chosen.strategy == "broadcast":
        return rows.join(F.broadcast(other), on, join.type)
    if chosen.strategy != "salt":
        # A hint of the optimizer's own statistics would broadcast what was found too large.
        return rows.join(other.hint("merge"), on, join.type)
    # Not by chance: a task that is repeated must give its rows the same salt again.
    salt = F.pmod(F.xxhash64(*rows.columns), F.lit(chosen.salts)).cast("int")
    spread = rows.withColumn(_SALT, salt)
    repeated = other.withColumn(_SALT, F.explode(F.sequence(F.lit(0), F.lit(chosen.salts - 1))))
    return spread.join(repeated.hint("merge"), [*on, _SALT], join.type).drop(_SALT)
