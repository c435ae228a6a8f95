"""The command line: what it refuses, and the one line it ends with."""

import json

import pytest
from landing import flight, plane, reading

from waybill_jobs.cli import build_parser


@pytest.mark.parametrize("run", ["", "../x", "a'b", "a b", "/a", "a//b", "a/", "x" * 201, "a:b", "a;b"])
def test_a_run_id_that_could_mean_something_else_is_refused(run):
    with pytest.raises(SystemExit) as refusal:
        build_parser().parse_args(["check", "--lake", "s3://b/lake", "--run", run])
    assert refusal.value.code == 2


@pytest.mark.parametrize("moment", ["2026-01-01", "2026-01-01T00:00:00", "now", "2026-01-01T00:00:00+01:00"])
def test_a_moment_without_utc_is_refused(moment):
    base = ["silver", "--lake", "s3://b/lake", "--run", "r", "--as-of"]
    with pytest.raises(SystemExit):
        build_parser().parse_args([*base, moment])
    assert build_parser().parse_args([*base, "2026-01-01T00:00:00Z"]).run == "r"


def test_unknown_tables_are_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["optimize", "--lake", "l", "--run", "r", "--tables", "gold/unknown"])
    assert "gold/delays_by_weather" in capsys.readouterr().err


def test_the_last_line_is_the_result_and_check_finds_the_lake_sound(world, job, capsys):
    world.land("flights", [flight(1, dep_delay=-4), flight(2, day=2, dep_delay=10)])
    world.land("planes", [plane("N1"), plane("N2")])
    world.land_weather("2013-01-01", [reading(1)])
    for name in ("bronze", "silver"):
        job(name, "--tables", "flights,planes,weather")
    capsys.readouterr()
    result = job("check")
    printed = json.loads(capsys.readouterr().out.strip().split("\n")[-1])
    assert printed == {key: value for key, value in result.items() if key != "exit"}
    assert (result["ok"], result["faults"]) == (True, [])
    found = {t["table"]: t for t in result["tables"]}
    assert found["silver/flights"]["sums"]["dep_delay"] == "6"
    assert (found["silver/flights"]["rows"], found["silver/flights"]["distinctKeys"]) == (2, 2)
    assert found["silver/weather"]["sums"]["temp"] == "39.02"
    assert (found["silver/planes"]["currentRows"], found["silver/planes"]["distinctKeys"]) == (2, 2)
    assert found["bronze/flights"]["rows"] == 2


def test_check_reports_a_broken_history(spark, world, job, table):
    world.land("planes", [plane("N1")])
    job("bronze", "--tables", "planes")
    job("silver", "--tables", "planes")
    table("silver/planes").write.format("delta").mode("append").save(world.uri("lake/silver/planes"))
    result = job("check")
    assert result["ok"] is False
    assert any("keysWithoutOneCurrentRow" in fault for fault in result["faults"])
