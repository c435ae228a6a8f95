"""A history table keeps every state of a key, without gap, overlap or second current row."""

import datetime

import pytest
from landing import plane

from waybill_jobs.errors import JobError
from waybill_jobs.scd2 import examine_history, merge_history

DAYS = {"run-1": "2026-01-01T00:00:00Z", "run-2": "2026-01-02T00:00:00Z", "run-3": "2026-01-03T00:00:00Z"}


def refine(world, job, run, rows):
    world.land("planes", rows, run=run)
    job("bronze", "--tables", "planes", run=run, as_of=DAYS[run])
    return job("silver", "--tables", "planes", run=run, as_of=DAYS[run])["tables"][0]


def test_a_change_closes_and_opens_and_the_same_data_does_nothing(world, job, table):
    first = refine(world, job, "run-1", [plane("N1"), plane("N2", seats=None), plane("N3")])
    changed = [plane("N1"), plane("N2", seats=150), plane("N4")]
    second = refine(world, job, "run-2", changed)
    again = refine(world, job, "run-2", changed)
    third = refine(world, job, "run-3", changed)

    assert (first["keysAdded"], first["keysChanged"], first["written"]) == (3, 0, True)
    assert (second["keysAdded"], second["keysChanged"], second["rows"]) == (1, 1, 5)
    assert [(r["written"], r["version"]) for r in (again, third)] == [(False, second["version"])] * 2
    history = table("silver/planes")
    states = [
        (row["seats"], row["valid_from"].day, row["valid_to"] and row["valid_to"].day, row["is_current"])
        for row in history.where("tailnum = 'N2'").orderBy("valid_from").collect()
    ]
    assert states == [(None, 1, 2, False), (150, 2, None, True)]
    # N3 is missing from the second snapshot: it stays as it was.
    assert history.where("tailnum = 'N3' AND is_current").count() == 1
    assert set(examine_history(history, "tailnum")[1].values()) == {0}


def test_rows_without_a_key_and_doubles_never_reach_the_history(world, job, table):
    rows = [plane("N1", seats=100), plane("N1", seats=120), plane(None), plane("  ")]
    result = refine(world, job, "run-1", rows)
    assert (result["rowsIn"], result["rowsAccepted"], result["rowsQuarantined"]) == (4, 1, 3)
    assert [row["seats"] for row in table("silver/planes").collect()] == [120]


def merge(spark, world, rows, as_of="2026-01-01T00:00:00Z", run="run-1"):
    source = spark.createDataFrame(rows, "tailnum string, seats int")
    return merge_history(
        spark,
        source,
        world.uri("lake/dim"),
        key="tailnum",
        attributes=("seats",),
        as_of=as_of,
        run=run,
        step="test/dim",
    )


@pytest.mark.parametrize(
    ("rows", "code"),
    [([("N1", 1), (None, 2)], "SCD2_NULL_KEY"), ([("N1", 1), ("N1", 1)], "SCD2_DUPLICATE_KEY")],
)
def test_a_bad_key_refuses_the_merge(spark, world, rows, code):
    with pytest.raises(JobError) as refusal:
        merge(spark, world, rows)
    assert refusal.value.code == code


def test_a_change_from_the_past_is_refused(spark, world, table):
    merge(spark, world, [("N1", 1)], as_of=DAYS["run-2"], run="run-2")
    with pytest.raises(JobError) as refusal:
        merge(spark, world, [("N1", 2)], as_of=DAYS["run-1"], run="run-1")
    assert refusal.value.code == "SCD2_LATE_DATA"
    [row] = table("dim").collect()
    assert (row["seats"], row["valid_from"]) == (1, datetime.datetime(2026, 1, 2))


def test_the_fault_counts_see_each_kind_of_fault(spark):
    columns = "k string, valid_from timestamp, valid_to timestamp, is_current boolean"

    def at(day):
        return datetime.datetime(2026, 1, day)

    rows = [
        ("gap", at(1), at(2), False),
        ("gap", at(3), None, True),
        ("two", at(1), None, True),
        ("two", at(2), None, True),
        ("empty", at(1), at(1), False),
        ("flag", at(1), None, False),
    ]
    counts, found = examine_history(spark.createDataFrame(rows, columns), "k")
    assert counts == {"rows": 6, "currentRows": 3, "distinctKeys": 4}
    assert found == {
        "nullKeys": 0,
        "keysWithoutOneCurrentRow": 3,
        "gapsOrOverlaps": 2,
        "emptyIntervals": 1,
        "currentFlagWrong": 1,
    }
