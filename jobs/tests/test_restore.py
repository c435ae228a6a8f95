"""Restore undoes a run, only that run, and leaves the way free to run it again."""

import json

import pytest
from landing import plane, reading


@pytest.fixture
def two_runs(world, job):
    """run-1 is in; run-2 has been recorded, then written on top. Returns the versions before run-2."""
    world.land("planes", [plane("N1")], run="run-1")
    world.land_weather("2013-01-01", [reading(1)])
    job("bronze", "--tables", "planes,weather")
    before = job("versions", run="run-2")["versions"]
    world.land("planes", [plane("N1", seats=1), plane("N2")], run="run-2")
    world.land_weather("2013-01-02", [reading(1, day=2)])
    job("bronze", "--tables", "planes,weather", run="run-2")
    job("silver", "--tables", "planes", run="run-2")
    return before


def test_a_run_is_undone_and_can_be_run_again(world, job, table, two_runs):
    assert two_runs["bronze/planes"] == 0 and two_runs["silver/planes"] == -1
    result = job("restore", "--versions", json.dumps(two_runs), run="run-2")
    actions = {r["table"]: r["action"] for r in result["restored"] if r["action"] != "unchanged"}
    assert actions == {"bronze/planes": "restored", "bronze/weather": "restored", "silver/planes": "removed"}
    assert {row["_run"] for row in table("bronze/planes").collect()} == {"run-1"}
    assert table("bronze/weather").count() == 1
    assert not (world.root / "lake/silver/planes").exists()

    restored = job("versions", run="run-2")["versions"]
    repeat = job("restore", "--versions", world.uri("results/first.json"), run="run-2")
    assert repeat["exit"] == 1  # no such file: refused, nothing touched
    repeat = job("restore", "--versions", json.dumps(two_runs), run="run-2")
    assert {r["action"] for r in repeat["restored"]} == {"unchanged"}
    assert job("versions", run="run-2")["versions"] == restored

    # The same run again: neither Delta's record of transactions nor the stream's checkpoint may swallow it.
    job("bronze", "--tables", "planes,weather", run="run-2")
    assert table("bronze/planes").count() == 3
    assert sorted(row["day"] for row in table("bronze/weather").collect()) == ["1", "2"]
    again = job("silver", "--tables", "planes", run="run-2")
    assert again["tables"][0]["rows"] == 2


def test_another_runs_commits_are_never_undone(world, job, table, two_runs):
    world.land("planes", [plane("N9")], run="run-3")
    job("bronze", "--tables", "planes", run="run-3")
    result = job("restore", "--versions", json.dumps(two_runs), run="run-2")
    assert (result["exit"], result["code"]) == (1, "RESTORE_FOREIGN_COMMITS")
    # All or nothing: silver/planes, which could have been removed, is still there.
    assert table("silver/planes").count() == 2 and table("bronze/planes").count() == 4


@pytest.mark.parametrize("versions", ['{"bronze/planes": -2}', '{"other/table": 1}', '{"bronze/planes": true}', "{"])
def test_bad_versions_are_refused(job, versions):
    result = job("restore", "--versions", versions)
    assert (result["exit"], result["code"]) == (1, "RESTORE_BAD_VERSIONS")


def test_a_version_that_never_was_is_refused(job):
    result = job("restore", "--versions", '{"bronze/planes": 3}')
    assert result["code"] == "RESTORE_NO_SUCH_VERSION"
