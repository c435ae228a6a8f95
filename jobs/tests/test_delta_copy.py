"""A copy's two ends at a Delta table: once, verified, and the same when repeated."""

import json

import pytest
from pyspark.sql import functions as F


@pytest.fixture
def stage(spark, world):
    """Stages `rows` numbered from `start` as two Parquet files with a manifest, and returns the folder."""

    def write(rows: int, start: int = 0, folder: str = "staged", name: str = "row") -> str:
        frame = spark.range(start, start + rows).select(
            "id",
            F.concat(F.lit(f"{name} | "), "id").alias("name"),
            (F.col("id") / 3).cast("decimal(10,2)").alias("price"),
            F.timestamp_seconds("id").alias("at"),
            F.when(F.col("id") % 2 == 0, F.lit(None)).otherwise(F.col("id") * 0.5).alias("half"),
        )
        target = world.uri(folder)
        frame.repartition(2).write.mode("overwrite").parquet(f"{target}/data")
        files = [{"path": f"data/{file.name}"} for file in (world.root / folder / "data").glob("*.parquet")]
        (world.root / folder / "manifest.json").write_text(json.dumps({"rows": rows, "files": files}))
        return target

    return write


def test_staged_files_are_added_once(job, table, stage):
    source = stage(10)
    first = job("load", "--table", "sales/orders", "--source", source)
    assert first["exit"] == 0
    assert (first["tables"][0]["rows"], first["tables"][0]["copied"], first["tables"][0]["written"]) == (10, 10, True)
    again = job("load", "--table", "sales/orders", "--source", source)
    assert (again["tables"][0]["rows"], again["tables"][0]["written"]) == (10, False)
    assert again["tables"][0]["checksum"] == first["tables"][0]["checksum"]
    more = job("load", "--table", "sales/orders", "--source", stage(5, start=10), run="run-2")
    assert (more["tables"][0]["rows"], more["tables"][0]["copied"]) == (15, 5)
    assert table("sales/orders").count() == 15


def test_an_overwrite_and_a_merge(job, table, stage):
    job("load", "--table", "t", "--source", stage(10))
    replaced = job("load", "--table", "t", "--source", stage(4), "--mode", "overwrite", run="run-2")
    assert (replaced["tables"][0]["rows"], table("t").count()) == (4, 4)
    merged = job(
        "load", "--table", "t", "--source", stage(4, start=2, name="new"), "--mode", "merge", "--keys", "id", run="run-3"
    )
    assert (merged["tables"][0]["rows"], merged["tables"][0]["copied"]) == (6, 4)
    names = {row["id"]: row["name"] for row in table("t").collect()}
    assert names[1] == "row | 1" and names[2] == "new | 2" and names[5] == "new | 5"
    again = job(
        "load", "--table", "t", "--source", stage(4, start=2, name="new"), "--mode", "merge", "--keys", "id", run="run-3"
    )
    assert again["tables"][0]["written"] is False and table("t").count() == 6


def test_keys_that_are_not_keys_are_refused_before_anything_is_written(job, table, stage, spark, world):
    job("load", "--table", "t", "--source", stage(3))
    source = stage(3)
    twice = spark.read.parquet(f"{source}/data")
    twice.union(twice).write.mode("overwrite").parquet(world.uri("twice/data"))
    files = [{"path": f"data/{file.name}"} for file in (world.root / "twice/data").glob("*.parquet")]
    (world.root / "twice/manifest.json").write_text(json.dumps({"rows": 6, "files": files}))
    refused = job(
        "load", "--table", "t", "--source", world.uri("twice"), "--mode", "merge", "--keys", "id", run="run-2"
    )
    assert (refused["exit"], refused["code"]) == (1, "DELTA_KEYS")
    assert table("t").count() == 3


def test_a_manifest_that_counts_otherwise_is_refused(job, stage, world):
    source = stage(3)
    manifest = json.loads((world.root / "staged/manifest.json").read_text())
    (world.root / "staged/manifest.json").write_text(json.dumps({**manifest, "rows": 4}))
    assert job("load", "--table", "t", "--source", source)["code"] == "STAGED_MISMATCH"
    assert not (world.root / "lake/t").exists()


def test_a_table_is_unloaded_as_it_was_at_first(job, stage, spark, world):
    job("load", "--table", "t", "--source", stage(10))
    out = world.uri("out")
    first = job("unload", "--table", "t", "--target", out, run="out-1")
    assert (first["exit"], first["tables"][0]["rows"]) == (0, 10)
    job("load", "--table", "t", "--source", stage(5, start=10), run="run-2")
    again = job("unload", "--table", "t", "--target", out, run="out-1")
    assert again["tables"][0]["rows"] == 10 and again["tables"][0]["checksum"] == first["tables"][0]["checksum"]
    manifest = json.loads((world.root / "out/manifest.json").read_text())
    assert manifest["rows"] == 10
    assert spark.read.parquet(*(world.uri(f"out/{file['path']}") for file in manifest["files"])).count() == 10


def test_nested_columns_are_unloaded_as_json(job, spark, world):
    spark.sql("SELECT 1 AS id, array(1, 2) AS items, named_struct('a', 'x') AS one").write.format("delta").save(
        world.uri("lake/nested")
    )
    assert job("unload", "--table", "nested", "--target", world.uri("out"))["exit"] == 0
    row = spark.read.parquet(world.uri("out/data")).head()
    assert (row["items"], row["one"]) == ("[1,2]", '{"a":"x"}')


def test_no_table_is_told(job, world):
    assert job("unload", "--table", "none", "--target", world.uri("out"))["code"] == "DELTA_MISSING"
