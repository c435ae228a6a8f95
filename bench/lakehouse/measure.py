"""Times lakehouse work before and after what the profile and the jobs change; one JSON line a measurement.

Run by bench/lakehouse/main.ts, which passes the profile's settings. Each case is run in turn for every contender, round
after round, in one session on two cores: the ratios say something, the seconds do not.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "jobs"))

from delta.tables import DeltaTable  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402
from pyspark.sql import functions as F  # noqa: E402
from waybill_jobs.commits import commits_after, current_version, table_size  # noqa: E402
from waybill_jobs.compact_files import MEBIBYTE, compact_files  # noqa: E402
from waybill_jobs.layout import Lake  # noqa: E402
from waybill_jobs.optimize import optimize  # noqa: E402
from waybill_jobs.session import stamp_session  # noqa: E402
from waybill_jobs.skew import Chosen, join_rows  # noqa: E402
from waybill_jobs.transform import transform  # noqa: E402
from waybill_jobs.transform_spec import Join, read_spec  # noqa: E402

#: What a job has that says nothing: Spark's own values, written out because a session keeps what was set before.
DEFAULTS = {
    "spark.sql.shuffle.partitions": "200",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.adaptive.skewJoin.enabled": "true",
    "spark.sql.files.maxPartitionBytes": "128MB",
    "spark.databricks.delta.optimizeWrite.enabled": "false",
    "spark.databricks.delta.autoCompact.enabled": "false",
}


class Bench:
    def __init__(self, spark: SparkSession, root: str, profile: dict[str, str], rounds: int) -> None:
        self.spark, self.root, self.profile, self.rounds = spark, root, profile, rounds

    def settings(self, *more: dict[str, str]) -> None:
        for each in (DEFAULTS, *more):
            for key, value in each.items():
                self.spark.conf.set(key, value)

    def time(self, case: str, contender: str, work: Callable[[], dict[str, Any]]) -> None:
        start = time.monotonic()
        facts = work()
        line = {"case": case, "contender": contender, "seconds": round(time.monotonic() - start, 3), **facts}
        print("bench " + json.dumps(line), flush=True)

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"


def small_files(bench: Bench, files: int) -> None:
    """A table of many small files, queried, compacted and queried again; Delta and Parquet."""
    spark = bench.spark
    rows = files * 200
    frame = spark.range(rows).selectExpr("id", "id % 977 AS key", "id % 30 AS day", "concat('event ', id) AS text")
    bench.settings()
    for index in range(bench.rounds):
        delta, parquet = bench.path(f"small/delta-{index}"), bench.path(f"small-parquet-{index}")
        frame.coalesce(2).write.option("maxRecordsPerFile", 200).format("delta").save(delta)
        frame.coalesce(2).write.option("maxRecordsPerFile", 200).parquet(parquet)

        def query(path: str, kind: str) -> dict[str, Any]:
            total = (
                spark.read.format(kind).load(path).groupBy("key").agg(F.sum("id").alias("sum")).agg(F.sum("sum")).head()
            )
            assert total is not None and total[0] == rows * (rows - 1) // 2
            return {}

        spark.range(10).count()
        bench.time("query, Delta", f"{files} small files", lambda: query(delta, "delta"))
        bench.time("query, Parquet", f"{files} small files", lambda: query(parquet, "parquet"))
        bench.settings(bench.profile)

        def compact_delta() -> dict[str, Any]:
            [done] = optimize(spark, Lake(bench.root), [f"small/delta-{index}"], 168)
            return {"filesBefore": done.details["filesBefore"], "files": done.files}

        def compact_parquet() -> dict[str, Any]:
            places = (parquet, f"{parquet}-new")
            [done] = compact_files(spark, *places, target_bytes=100 * MEBIBYTE, partition_by=(), run=f"run-{index}")
            return {"filesBefore": done.details["filesBefore"], "files": done.files}

        bench.time("compaction (verified)", "job optimize, Delta", compact_delta)
        bench.time("compaction (verified)", "job compact_files, Parquet", compact_parquet)
        bench.time("query, Delta", "compacted", lambda: query(delta, "delta"))
        bench.time("query, Parquet", "compacted", lambda: query(f"{parquet}-new", "parquet"))
        bench.settings()


def appends(bench: Bench, rows: int) -> None:
    """What a shuffled append leaves behind: files of the table."""
    frame = bench.spark.range(rows).selectExpr("id", "id % 30 AS day", "concat('event ', id) AS text").repartition("id")
    for index in range(bench.rounds):
        for contender, more in (("Spark's defaults", {}), ("profile", bench.profile)):
            bench.settings(more, {"spark.sql.adaptive.coalescePartitions.enabled": "false"})
            path = bench.path(f"append-{contender[0]}-{index}")

            def append() -> dict[str, Any]:
                frame.write.format("delta").partitionBy("day").save(path)
                files, size = table_size(bench.spark, path, current_version(bench.spark, path))
                return {"files": files, "bytes": size}

            bench.time("append of 30 days", contender, append)
    bench.spark.conf.unset("spark.sql.adaptive.coalescePartitions.enabled")


def merges(bench: Bench, rows: int) -> None:
    """One day's changes into a table of 30 days."""
    spark = bench.spark
    state = "id", "id % 30 AS day", "concat('state ', id) AS text", "timestamp'2026-01-01' AS at"
    for index in range(bench.rounds):
        table, changes = f"silver/merge-{index}", f"bronze/changes-{index}"
        bench.settings(bench.profile)
        spark.range(rows).selectExpr(*state).write.format("delta").partitionBy("day").save(bench.path(f"{table}-plain"))
        spark.range(rows).selectExpr(*state, "'run-0' AS _run").write.format("delta").partitionBy("day").save(
            bench.path(table)
        )
        changed = spark.range(rows).where("id % 90 = 7")
        now = "id", "id % 30 AS day", "concat('new ', id) AS text", "timestamp'2026-01-02' AS at"
        changed.selectExpr(*now).write.format("delta").save(bench.path(changes))

        def plain() -> dict[str, Any]:
            path = bench.path(f"{table}-plain")
            before = current_version(spark, path)
            target = DeltaTable.forPath(spark, path).alias("t")
            source = spark.read.format("delta").load(bench.path(changes)).alias("s")
            target.merge(source, "t.id = s.id").whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()
            return facts(path, before)

        def ours() -> dict[str, Any]:
            path = bench.path(table)
            before = current_version(spark, path)
            target = {"table": table, "mode": "merge", "keys": ["id"], "orderBy": "at", "partitionBy": ["day"]}
            transform(
                spark,
                bench.root,
                read_spec({"source": changes, "target": target}),
                f"r-{index}",
                "2026-01-02T00:00:00Z",
            )
            return facts(path, before)

        def facts(path: str, before: int) -> dict[str, Any]:
            done = next(each for each in commits_after(spark, path, before) if each.operation == "MERGE")
            names = {
                "filesAdded": "numTargetFilesAdded",
                "filesRemoved": "numTargetFilesRemoved",
                "copied": "numTargetRowsCopied",
            }
            return {name: int(done.metrics[key]) for name, key in names.items()}

        bench.settings()
        bench.time("MERGE of a day", "by key, Spark's defaults", plain)
        bench.settings(bench.profile)
        bench.time("MERGE of a day", "job transform, profile", ours)


def skewed_join(bench: Bench, rows: int) -> None:
    """Four fifths of the rows have one key; the other table is too large to broadcast."""
    spark = bench.spark
    clicks, users = bench.path("clicks"), bench.path("users")
    bench.settings()
    key = "CASE WHEN id % 5 < 4 THEN 'heavy' ELSE concat('user ', id % 100000) END AS user_id"
    spark.range(rows).selectExpr("id", key, "sha2(cast(id AS string), 256) AS payload").write.parquet(clicks)
    spark.range(100_000).selectExpr(
        "CASE WHEN id = 0 THEN 'heavy' ELSE concat('user ', id) END AS user_id",
        "sha2(cast(id AS string), 512) AS profile",
    ).write.parquet(users)
    # The sizes from which AQE calls a partition skewed and to which it splits are 256 and 64 MB: here in proportion.
    scaled = {
        "spark.sql.adaptive.skewJoin.skewedPartitionThresholdInBytes": "16MB",
        "spark.sql.adaptive.advisoryPartitionSizeInBytes": "16MB",
        "spark.sql.autoBroadcastJoinThreshold": "-1",
    }
    off = {**scaled, "spark.sql.adaptive.enabled": "false"}
    join = Join("users", ("user_id",), "inner")
    ways = (
        ("AQE off, 200 partitions", off, Chosen("aqe", 0, "", None)),
        ("profile: AQE splits", {**bench.profile, **scaled}, Chosen("aqe", 0, "", None)),
        ("AQE off, salted by 16", {**bench.profile, **off}, Chosen("salt", 16, "", None)),
        ("broadcast", {**bench.profile, **scaled}, Chosen("broadcast", 0, "", None)),
    )
    for _ in range(bench.rounds):
        for contender, more, chosen in ways:
            bench.settings(more)

            def work() -> dict[str, Any]:
                both = join_rows(spark.read.parquet(clicks), spark.read.parquet(users), join, chosen)
                # Work after the join that only the task with the rows can do.
                done = (
                    both.selectExpr("length(sha2(concat(payload, profile), 512)) AS size")
                    .agg(F.sum("size"), F.count("size"))
                    .head()
                )
                return {"rows": int(done[1]) if done else 0}

            bench.time("skewed join", contender, work)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", required=True)
    parser.add_argument("--jars", required=True)
    parser.add_argument("--profile", required=True, type=json.loads)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--only", default="small,append,merge,skew")
    options = parser.parse_args()
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2]").appName("bench lakehouse")
    for key, value in {
        "spark.driver.extraClassPath": f"{options.jars}/*",
        "spark.driver.memory": "3g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
        "spark.hadoop.fs.AbstractFileSystem.file.impl": "org.apache.hadoop.fs.local.RawLocalFs",
    }.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    stamp_session(spark, "bench", "bench")
    # What only a cluster can set (executors, shuffle service) is left out: here is one process.
    profile = {
        key: value for key, value in options.profile.items() if key.startswith(("spark.sql.", "spark.databricks."))
    }
    # A profile for 100 GB asks for 100 partitions; here are two cores and a thousandth of the data.
    profile["spark.sql.shuffle.partitions"] = "8"
    bench = Bench(spark, options.root, profile, options.rounds)
    chosen = options.only.split(",")
    spark.range(1_000_000).selectExpr("id % 7 AS k").groupBy("k").count().collect()  # warm
    if "small" in chosen:
        small_files(bench, options.files)
    if "append" in chosen:
        appends(bench, options.rows // 4)
    if "merge" in chosen:
        merges(bench, options.rows)
    if "skew" in chosen:
        skewed_join(bench, options.rows)
    spark.stop()


main()
