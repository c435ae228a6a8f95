"""Two tables compared: schema, rows, a checksum and figures of every column, and every row by its key.

Both sides are brought under their common types and laid in one heap; each key's rows of either side are summed up as hashes,
so NULLs, NaN, keys that occur twice, and the order of rows and columns make no difference, and one shuffle does it all.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DecimalType, StructField

from waybill_jobs.canonical import as_json, canonical, common_type, has_order, hash_of, is_fraction, is_number, total
from waybill_jobs.commits import current_version
from waybill_jobs.errors import JobError
from waybill_jobs.io import exists, read_table, write_text
from waybill_jobs.migration_spec import MigratedTable, Tolerance
from waybill_jobs.results import TableResult

#: Keys of a kind that the report names, and those that the result names.
SAMPLE = 20
NAMED = 5
#: Longest text of a value in the report.
_LONGEST = 200
_LEFT, _RIGHT = "emr", "databricks"


@dataclass(frozen=True)
class Pair:
    """Both sides of a table as they are compared: the same columns, canonical, in the same order."""

    left: DataFrame
    right: DataFrame
    kinds: dict[str, DataType]
    schema: dict[str, Any]


def parity(
    spark: SparkSession, tables: list[MigratedTable], report: str
) -> tuple[list[TableResult], dict[str, Any]]:
    """Compares every table; the whole comparison goes to `report`, its sum into the result."""
    whole = [_compare(spark, table) for table in tables]
    write_text(spark, report, json.dumps({"tables": whole}, default=str))
    results = [
        TableResult(one["name"], table.target, one["versions"][_RIGHT], one["rows"][_RIGHT], 0, 0, False, {"equal": one["equal"]})
        for one, table in zip(whole, tables, strict=True)
    ]
    return results, {"datasets": [_summary(one) for one in whole]}


def _compare(spark: SparkSession, table: MigratedTable) -> dict[str, Any]:
    began = time.monotonic()
    versions = {_LEFT: _version(spark, table.source, table.source_format), _RIGHT: _version(spark, table.target, "delta")}
    missing = [side for side, version in versions.items() if version is None]
    outcome: dict[str, Any] = {
        "name": table.name,
        "locations": {_LEFT: table.source, _RIGHT: table.target},
        "versions": {side: -1 if version is None else version for side, version in versions.items()},
        "keys": table.keys,
        "window": table.window if table.window_column else "",
    }
    if missing:
        rows = {_LEFT: 0, _RIGHT: 0}
        reasons = [f"there is no table on {side}" for side in missing]
        outcome |= {"rows": rows, "schema": _no_schema(), "columns": [], "rowsByKey": _no_keys(), "sample": {}}
        return {**outcome, "equal": False, "reasons": reasons, "seconds": 0}
    pair = _pair(spark, table, versions)
    columns = _columns(pair, table)
    rows = {side: int(columns[0]["rows"][side]) if columns else 0 for side in (_LEFT, _RIGHT)}
    by_key, sample = _rows(pair, table)
    reasons = _reasons(table, pair.schema, rows, columns, by_key)
    outcome |= {"rows": rows, "schema": pair.schema, "columns": columns, "rowsByKey": by_key, "sample": sample}
    return {**outcome, "equal": not reasons, "reasons": reasons, "seconds": round(time.monotonic() - began, 1)}


def _version(spark: SparkSession, path: str, kind: str) -> int | None:
    """The version to read; None where nothing is there. Parquet has no versions: 0."""
    if kind == "delta":
        version = current_version(spark, path)
        return None if version < 0 else version
    return 0 if exists(spark, path) else None


def _pair(spark: SparkSession, table: MigratedTable, versions: dict[str, int | None]) -> Pair:
    if table.source_format == "delta":
        left = read_table(spark, table.source, versions[_LEFT])
    else:
        left = spark.read.option("mergeSchema", "true").parquet(table.source)
    right = read_table(spark, table.target, versions[_RIGHT])
    ignored = {name.lower() for name in table.ignore}
    ours = {field.name.lower(): field for field in left.schema.fields if field.name.lower() not in ignored}
    theirs = {field.name.lower(): field for field in right.schema.fields if field.name.lower() not in ignored}
    shared = [name for name in ours if name in theirs]
    kinds = {name: common_type(ours[name].dataType, theirs[name].dataType) for name in shared}
    schema = {
        "missing": [ours[name].name for name in ours if name not in theirs],
        "extra": [theirs[name].name for name in theirs if name not in ours],
        "types": [
            {"column": name, _LEFT: ours[name].dataType.simpleString(), _RIGHT: theirs[name].dataType.simpleString()}
            for name in shared
            if ours[name].dataType != theirs[name].dataType
        ],
        "sameOrder": shared == [name for name in theirs if name in ours],
        "columns": len(shared),
    }
    absent = [key for key in table.keys if key.lower() not in kinds]
    if absent or not table.keys:
        raise JobError(
            "PARITY_KEYS", f"{table.name}: {', '.join(absent) or 'nothing'} is no key on both sides.", "Correct its keys."
        )
    inexact = [name for name in table.columns if name not in kinds or not is_number(kinds[name])]
    if inexact:
        raise JobError(
            "PARITY_COLUMNS", f"{table.name}: {', '.join(inexact)} is no column of numbers on both sides.", "Correct its columns."
        )
    if table.window_column is not None:
        left, right = (_in_window(table, side) for side in (left, right))
    return Pair(_chosen(left, kinds, ours), _chosen(right, kinds, theirs), kinds, schema)


def _chosen(frame: DataFrame, kinds: dict[str, DataType], fields: dict[str, StructField]) -> DataFrame:
    return frame.select(*(canonical(name, kind, fields[name].dataType).alias(name) for name, kind in kinds.items()))


def _in_window(table: MigratedTable, frame: DataFrame) -> DataFrame:
    if str(table.window_column).lower() not in {name.lower() for name in frame.columns}:
        raise JobError(
            "PARITY_COLUMNS", f"{table.name}: there is no column {table.window_column}.", "Correct its windowColumn."
        )
    return frame.where(F.col(f"`{table.window_column}`").cast("string") == F.lit(table.window))


def _columns(pair: Pair, table: MigratedTable) -> list[dict[str, Any]]:
    """Figures of every column on both sides, from one pass over each."""
    figures = {side: _figures(frame, pair.kinds) for side, frame in ((_LEFT, pair.left), (_RIGHT, pair.right))}
    columns = []
    for at, name in enumerate(pair.kinds):
        both = {side: figures[side][at] for side in figures}
        merged: dict[str, Any] = {"column": name, "type": pair.kinds[name].simpleString()}
        for figure in both[_LEFT]:
            merged[figure] = {side: both[side][figure] for side in both}
        merged["equal"] = merged["checksum"][_LEFT] == merged["checksum"][_RIGHT]
        merged["tolerance"] = name in table.columns
        columns.append(merged)
    return columns


def _figures(frame: DataFrame, kinds: dict[str, DataType]) -> list[dict[str, Any]]:
    wanted: list[Column] = [F.count("*").alias("rows")]
    for at, (name, kind) in enumerate(kinds.items()):
        column = F.col(f"`{name}`")
        wanted.append(total(hash_of(column)).alias(f"checksum{at}"))
        wanted.append(F.count(F.when(column.isNull(), F.lit(1))).alias(f"nulls{at}"))
        wanted.append(F.approx_count_distinct(column if has_order(kind) else hash_of(column)).alias(f"distinct{at}"))
        if has_order(kind):
            wanted += [F.min(column).cast("string").alias(f"min{at}"), F.max(column).cast("string").alias(f"max{at}")]
        if is_number(kind):
            exact = "double" if is_fraction(kind) else _sum_type(kind)
            wanted.append(F.try_sum(column.cast(exact)).cast("string").alias(f"sum{at}"))
    row = frame.agg(*wanted).head()
    assert row is not None
    found = row.asDict()
    return [
        {
            "rows": found["rows"],
            "checksum": str(found[f"checksum{at}"]),
            **{figure: found.get(f"{figure}{at}") for figure in ("nulls", "distinct", "min", "max", "sum")},
        }
        for at in range(len(kinds))
    ]


def _sum_type(kind: DataType) -> str:
    return f"decimal(38,{kind.scale if isinstance(kind, DecimalType) else 0})"


def _rows(pair: Pair, table: MigratedTable) -> tuple[dict[str, Any], dict[str, Any]]:
    """Every key once: on which side its rows are, and whether they are the same."""
    keys = [key.lower() for key in table.keys]
    plain = [name for name in pair.kinds if name not in keys and name not in table.columns]
    heap = _heap(pair, keys, {"rest": hash_of(*(F.col(f"`{name}`") for name in plain)) if plain else F.lit(0)}, table)
    grouped = _by_key(heap, keys, ["rest"], list(table.columns))
    same = _same("rest") & _all(_near(name, one) for name, one in table.columns.items())
    status = (
        F.when(F.col("l") == 0, "extra")
        .when(F.col("r") == 0, "missing")
        .when((F.col("l") != F.col("r")) | ~same, "differing")
    )
    null_key = F.when(_any(F.col(f"`{key}`").isNull() for key in keys), 1)
    judged = grouped.withColumn("status", status).withColumn("nullKey", null_key).cache()
    try:
        counts = judged.agg(
            F.count("*").alias("keys"),
            *(F.count(F.when(F.col("status") == kind, 1)).alias(kind) for kind in ("missing", "extra", "differing")),
            F.count(F.when(F.col("l") > 1, 1)).alias("twiceLeft"),
            F.count(F.when(F.col("r") > 1, 1)).alias("twiceRight"),
            F.count("nullKey").alias("nullKeys"),
        ).head()
        assert counts is not None
        by_key: dict[str, Any] = {kind: int(counts[kind]) for kind in ("missing", "extra", "differing", "keys", "nullKeys")}
        by_key["repeated"] = {_LEFT: int(counts["twiceLeft"]), _RIGHT: int(counts["twiceRight"])}
        sample = {
            kind: [json.loads(row["k"]) for row in _ids(judged.where(F.col("status") == kind), keys).collect()]
            for kind in ("missing", "extra")
        }
        by_key["columns"], sample["differing"] = {}, []
        if by_key["differing"] > 0:
            by_key["columns"], sample["differing"] = _differences(pair, table, keys, judged)
        return by_key, sample
    finally:
        judged.unpersist()


def _ids(judged: DataFrame, keys: list[str]) -> DataFrame:
    return judged.orderBy(*keys).limit(SAMPLE).select(as_json(*(F.col(f"`{key}`") for key in keys)).alias("k"))


def _differences(
    pair: Pair, table: MigratedTable, keys: list[str], judged: DataFrame
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """For keys whose rows differ: in which columns, how often; and for some of them, how."""
    others = [name for name in pair.kinds if name not in keys]
    hashed = [name for name in others if name not in table.columns]
    heap = _heap(pair, keys, {f"h_{name}": hash_of(F.col(f"`{name}`")) for name in hashed}, table)
    identity = as_json(*(F.col(f"`{key}`") for key in keys)).alias("k")
    wanted = judged.where(F.col("status") == "differing").select(identity)
    rows = heap.withColumn("k", identity).join(wanted, "k", "left_semi")
    grouped = _by_key(rows, ["k"], [f"h_{name}" for name in hashed], list(table.columns))
    tests = [F.when(F.col("l") != F.col("r"), F.lit("(number of rows)"))]
    tests += [F.when(~_same(f"h_{name}"), F.lit(name)) for name in hashed]
    tests += [F.when(~_near(name, one), F.lit(name)) for name, one in table.columns.items()]
    found = grouped.select("k", F.array_compact(F.array(*tests)).alias("c")).cache()
    try:
        counted = found.select(F.explode("c").alias("c")).groupBy("c").count().orderBy(F.desc("count"), "c").collect()
        chosen = {row["k"]: list(row["c"]) for row in found.orderBy("k").limit(SAMPLE).collect()}
    finally:
        found.unpersist()
    values = {side: _values(frame, keys, list(chosen)) for side, frame in ((_LEFT, pair.left), (_RIGHT, pair.right))}
    sample = [
        {
            "key": json.loads(key),
            "columns": columns,
            "values": {
                name: {side: [row.get(name) for row in values[side].get(key, [])] for side in values}
                for name in columns
                if name in pair.kinds
            },
        }
        for key, columns in chosen.items()
    ]
    return {row["c"]: int(row["count"]) for row in counted}, sample


def _values(frame: DataFrame, keys: list[str], chosen: list[str]) -> dict[str, list[dict[str, str]]]:
    """The rows of a few keys as text."""
    identity = as_json(*(F.col(f"`{key}`") for key in keys)).alias("k")
    texts = [
        F.substring(F.col(f"`{name}`").cast("string"), 1, _LONGEST).alias(name)
        for name in frame.columns
        if name not in keys
    ]
    found: dict[str, list[dict[str, str]]] = {}
    for row in frame.select(identity, *texts).where(F.col("k").isin(chosen)).limit(10 * SAMPLE).collect():
        one = row.asDict()
        found.setdefault(one.pop("k"), []).append(one)
    return found


def _heap(pair: Pair, keys: list[str], hashes: dict[str, Column], table: MigratedTable) -> DataFrame:
    """Both sides' rows as keys, hashes (44 bits, so that sums stay in range) and the numbers that may differ a little."""
    chosen = [F.col(f"`{key}`") for key in keys]
    chosen += [F.shiftright(value.cast("long"), 20).alias(name) for name, value in hashes.items()]
    chosen += [F.col(f"`{name}`").cast("double").alias(f"n_{name}") for name in table.columns if name not in keys]
    left = pair.left.select(F.lit(True).alias("isLeft"), *chosen)
    return left.unionByName(pair.right.select(F.lit(False).alias("isLeft"), *chosen))


def _by_key(heap: DataFrame, keys: list[str], hashes: list[str], numbers: list[str]) -> DataFrame:
    left = F.col("isLeft")
    wanted = [F.count(F.when(left, 1)).alias("l"), F.count(F.when(~left, 1)).alias("r")]
    for name in hashes:
        wanted.append(F.try_sum(F.when(left, F.col(f"`{name}`"))).alias(f"l_{name}"))
        wanted.append(F.try_sum(F.when(~left, F.col(f"`{name}`"))).alias(f"r_{name}"))
    for name in numbers:
        # Lists leave NULLs out: as many as there are rows more than values.
        wanted.append(F.sort_array(F.collect_list(F.when(left, F.col(f"`n_{name}`")))).alias(f"l_n_{name}"))
        wanted.append(F.sort_array(F.collect_list(F.when(~left, F.col(f"`n_{name}`")))).alias(f"r_n_{name}"))
    return heap.groupBy(*(F.col(f"`{key}`") for key in keys)).agg(*wanted)


def _same(name: str) -> Column:
    return F.col(f"`l_{name}`").eqNullSafe(F.col(f"`r_{name}`"))


def _near(name: str, tolerance: Tolerance) -> Column:
    """Whether the numbers of both sides, in order, lie within the tolerance of each other."""
    left, right = F.col(f"`l_n_{name}`"), F.col(f"`r_n_{name}`")

    def within(ours: Column, theirs: Column) -> Column:
        span = F.greatest(F.abs(ours), F.abs(theirs)) * F.lit(tolerance.relative)
        return (ours == theirs) | (F.abs(ours - theirs) <= F.greatest(F.lit(tolerance.absolute), span))

    pairs = F.zip_with(left, right, within)
    return (F.size(left) == F.size(right)) & F.forall(pairs, lambda near: F.coalesce(near, F.lit(False)))


def _all(tests: Any) -> Column:
    joined = F.lit(True)
    for test in tests:
        joined = joined & test
    return joined


def _any(tests: Any) -> Column:
    return ~_all(~test for test in tests)


def _reasons(
    table: MigratedTable,
    schema: dict[str, Any],
    rows: dict[str, int],
    columns: list[dict[str, Any]],
    by_key: dict[str, Any],
) -> list[str]:
    """What is not the same, in words, worst first; nothing where the tables are equal within what is allowed."""
    reasons = []
    if schema["missing"]:
        reasons.append(f"columns missing on {_RIGHT}: {', '.join(schema['missing'][:NAMED])}")
    if schema["extra"]:
        reasons.append(f"columns on {_RIGHT} alone: {', '.join(schema['extra'][:NAMED])}")
    if not table.any_type:
        reasons += [
            f"{one['column']} is {one[_LEFT]} on {_LEFT} and {one[_RIGHT]} on {_RIGHT}" for one in schema["types"][:NAMED]
        ]
    within = True
    for kind, words in (
        ("missing", f"rows missing on {_RIGHT}"),
        ("extra", f"rows on {_RIGHT} alone"),
        ("differing", "rows differ"),
    ):
        if by_key[kind] > table.allowed.get(kind, 0):
            where = f" in {', '.join(list(by_key['columns'])[:NAMED])}" if kind == "differing" else ""
            reasons.append(f"{by_key[kind]} {words}{where}")
        within = within and by_key[kind] == 0
    # The second witness: where no row differs, no checksum may.
    if within:
        reasons += [
            f"the checksums of {one['column']} differ though no row does"
            for one in columns
            if not one["equal"] and not one["tolerance"]
        ][:NAMED]
        if rows[_LEFT] != rows[_RIGHT]:
            reasons.append(f"{rows[_LEFT]} rows on {_LEFT} and {rows[_RIGHT]} on {_RIGHT}")
    return reasons


def _summary(one: dict[str, Any]) -> dict[str, Any]:
    """What goes into the run's history: counts, names of columns, and keys. Values stay in the report."""
    sample = one["sample"]
    return {
        "name": one["name"],
        "equal": one["equal"],
        "reasons": one["reasons"],
        "rows": one["rows"],
        "versions": one["versions"],
        "columns": len(one["columns"]),
        "unequalColumns": [column["column"] for column in one["columns"] if not column["equal"]][:SAMPLE],
        "missing": one["rowsByKey"]["missing"],
        "extra": one["rowsByKey"]["extra"],
        "differing": one["rowsByKey"]["differing"],
        "repeatedKeys": one["rowsByKey"]["repeated"],
        "nullKeys": one["rowsByKey"]["nullKeys"],
        "named": {
            "missing": [_short(key) for key in sample.get("missing", [])[:NAMED]],
            "extra": [_short(key) for key in sample.get("extra", [])[:NAMED]],
            "differing": [
                {"key": _short(row["key"]), "columns": row["columns"][:NAMED]} for row in sample.get("differing", [])[:NAMED]
            ],
        },
        "seconds": one["seconds"],
    }


def _short(key: dict[str, Any]) -> str:
    text = ", ".join(f"{name}={value}" for name, value in key.items())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _no_schema() -> dict[str, Any]:
    return {"missing": [], "extra": [], "types": [], "sameOrder": True, "columns": 0}


def _no_keys() -> dict[str, Any]:
    nothing: dict[str, Any] = dict.fromkeys(("missing", "extra", "differing", "keys", "nullKeys"), 0)
    return {**nothing, "repeated": {_LEFT: 0, _RIGHT: 0}, "columns": {}}
