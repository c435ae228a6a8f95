"""Small Parquet files to few, in another folder."""

import pytest


@pytest.fixture
def small(spark, world):
    folder = world.uri("raw/events")
    frame = spark.range(3000).selectExpr("id", "id % 3 AS day", "concat('event ', id) AS text")
    frame.repartition(60).write.partitionBy("day").parquet(folder)
    return folder


@pytest.mark.parametrize("partitions", ["", "day"])
def test_many_files_become_few_with_the_same_rows_once(small, job, spark, world, partitions):
    target = world.uri("optimized/events")
    more = ("--partition-by", partitions) if partitions else ()
    [done] = job("compact_files", "--source", small, "--target", target, *more)["tables"]
    assert done["filesBefore"] >= 60 and done["files"] <= 3 and done["rows"] == 3000 and done["written"]
    assert spark.read.parquet(target).selectExpr("sum(id)").head()[0] == 4498500
    [again] = job("compact_files", "--source", small, "--target", target, *more)["tables"]
    assert (again["written"], again["rows"]) == (False, 3000)
    other = job("compact_files", "--source", small, "--target", target, *more, run="run-2")
    assert other["code"] == "COMPACT_TARGET_TAKEN"


def test_an_attempt_that_was_killed_begins_anew(small, job, world):
    target = world.uri("optimized/events")
    (world.root / "optimized").mkdir()
    (world.root / "optimized/events._waybill.json").write_text('{"run": "run-1", "state": "writing"}')
    (world.root / "optimized/events").mkdir()
    (world.root / "optimized/events/part-0.parquet").write_text("half a file")
    [done] = job("compact_files", "--source", small, "--target", target)["tables"]
    assert (done["rows"], done["written"]) == (3000, True)


def test_a_folder_is_not_compacted_into_itself(small, job):
    assert job("compact_files", "--source", small, "--target", f"{small}/new")["code"] == "COMPACT_SAME_FOLDER"
