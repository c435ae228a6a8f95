"""What is new in a source comes to its Delta table once, verified, however often and wherever it was interrupted."""

import json
import shutil

import pytest
from pyspark.sql import functions as F


@pytest.fixture
def bring(spark, world):
    """Runs the job for one table; the source is `source`, the table `target`."""
    from waybill_jobs.cli import main

    def run(**more):
        table = {"name": "orders", "source": world.uri("source"), "source_format": "parquet", "target": world.uri("target")}
        table |= {"keys": ["id"], "replicate": "always", **more}
        (world.root / "spec.json").write_text(json.dumps({"tables": [table]}))
        arguments = ["--spec", world.uri("spec.json"), "--state", world.uri("state"), "--result", world.uri("result.json")]
        code = main(["replicate", "--run", "migration/m", *arguments])
        result = json.loads((world.root / "result.json").read_text())
        return result if code else result["tables"][0]

    return run


@pytest.fixture
def add(spark, world):
    def write(start, count, mode="append", column=None):
        frame = spark.range(start, start + count).select("id", (F.col("id") / 3).alias("third"), F.lit(2026).alias("year"))
        frame = frame if column is None else frame.withColumn(column, F.lit("x"))
        frame.repartition(2).write.mode(mode).partitionBy("year").parquet(world.uri("source"))

    return write


@pytest.fixture
def target(spark, world):
    return lambda: spark.read.format("delta").load(world.uri("target"))


def versions(world):
    return len(list((world.root / "target/_delta_log").glob("*.json")))


def test_new_files_come_once(bring, add, target, world):
    add(0, 10)
    first = bring(partition_by=["year"])
    assert (first["rows"], first["batchRows"], first["written"], first["batches"]) == (10, 10, True, 1)
    again = bring(partition_by=["year"])
    assert (again["rows"], again["batchRows"], again["written"], versions(world)) == (10, 0, False, 1)
    add(10, 5, column="note")
    second = bring(partition_by=["year"])
    assert (second["rows"], second["batchRows"], second["written"], versions(world)) == (15, 5, True, 2)
    assert {row["id"] for row in target().where("note = 'x'").collect()} == set(range(10, 15))
    assert target().where("year = 2026").count() == 15


def test_a_batch_cut_off_after_its_commit_is_not_brought_twice(bring, add, world):
    add(0, 10)
    bring()
    add(10, 5)
    bring()
    (world.root / "state/orders/batch-000002.done.json").unlink()
    # What landed after the batch was planned waits for the next one.
    add(15, 5)
    again = bring()
    assert (again["rows"], again["written"], versions(world)) == (15, False, 2)
    assert (bring()["rows"], versions(world)) == (20, 3)


def test_a_source_that_was_rewritten_replaces_what_came_of_it(bring, add, target, world):
    add(0, 10)
    bring()
    add(100, 4, mode="overwrite")
    found = bring()
    assert (found["rows"], found["written"]) == (4, True)
    assert target().agg(F.min("id")).head()[0] == 100
    shutil.rmtree(world.root / "source")
    assert bring()["rows"] == 0


def test_history_before_a_run_comes_once_from_a_delta_table(bring, spark, world, target):
    def commit(ids, run, mode="append"):
        stamp = json.dumps({"waybill.run": run})
        spark.range(*ids).write.format("delta").mode(mode).option("userMetadata", stamp).save(world.uri("source"))

    commit((0, 5), "2011")
    commit((5, 8), "2012")
    commit((8, 9), "2013")
    commit((9, 12), "2014")
    found = bring(source_format="delta", replicate="once", before_run="2013")
    assert (found["rows"], found["written"]) == (8, True)
    commit((12, 20), "2015")
    assert bring(source_format="delta", replicate="once", before_run="2013")["written"] is False
    assert target().count() == 8


def test_a_source_without_history_makes_no_table(bring, world):
    found = bring(source_format="delta", replicate="once", before_run="2013")
    assert (found["version"], found["rows"], found["written"]) == (-1, 0, False)
    assert not (world.root / "target").exists()


def test_a_table_of_others_is_not_written_to(bring, add, spark, world):
    spark.range(3).write.format("delta").save(world.uri("target"))
    add(0, 10)
    refused = bring()
    assert refused["code"] == "REPLICATE_TARGET_EXISTS"
    assert versions(world) == 1


def test_rows_that_others_write_meanwhile_are_found(bring, add, spark, world, monkeypatch):
    from waybill_jobs import replicate

    add(0, 10)
    write = replicate._write

    def disturbed(spark_, table, source, plan, number, run):
        return write(spark_, table, source.where("id != 4"), plan, number, run)

    monkeypatch.setattr(replicate, "_write", disturbed)
    refused = bring()
    assert refused["code"] == "REPLICATE_MISMATCH" and "10 rows" in refused["message"] and "9 with" in refused["message"]


def test_a_file_that_changes_while_it_is_read_is_refused(bring, add, world):
    add(0, 10)
    bring()
    (world.root / "state/orders/batch-000001.done.json").unlink()
    next((world.root / "source/year=2026").glob("*.parquet")).unlink()
    assert bring()["code"] == "REPLICATE_SOURCE_CHANGED"


def test_a_specification_that_is_none_is_refused(bring):
    assert bring(source_format="orc")["code"] == "SPEC_INVALID"
    assert bring(surprise=1)["code"] == "SPEC_INVALID"
