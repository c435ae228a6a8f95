"""Silver is typed, has one row a key, and accounts for every row it refuses."""

import datetime
import json
from decimal import Decimal

from landing import cancelled, flight, reading


def test_good_rows_are_typed_and_bad_ones_quarantined_with_reasons(world, job, table):
    world.land(
        "flights",
        [
            flight(1, dep_time="517.0", tailnum="  "),
            cancelled(2, day=2),
            flight(3, month=2, day=30),
            flight(4, dep_delay="late", distance=0),
            flight(None),
            flight(6, dep_time=517.5),
        ],
    )
    world.land_text("flights", ",".join(flight(1)) + "\n7,2013,1\n", part=1)
    job("bronze", "--tables", "flights")
    result = job("silver", "--tables", "flights")

    counts = result["tables"][0]
    assert (counts["rowsIn"], counts["rowsAccepted"], counts["rowsQuarantined"]) == (7, 2, 5)
    one, two = table("silver/flights").orderBy("flight_id").collect()
    assert (one["flight_id"], one["dep_time"], one["tailnum"]) == (1, 517, None)
    assert one["time_hour"] == datetime.datetime(2013, 1, 1, 10)
    assert (two["dep_time"], two["arr_delay"], two["day"]) == (None, None, 2)
    assert dict(table("silver/flights").dtypes)["flight_id"] == "bigint"
    refused = {row["_reason"]: row for row in table("quarantine/flights").collect()}
    assert set(refused) == {
        "not_a_date",
        "not_int:dep_delay; out_of_range:distance",
        "missing:flight_id",
        "not_int:dep_time; delay_without_departure",
    } | {reason for reason in refused if reason.startswith("malformed_record")}
    assert len(refused) == 5
    assert json.loads(refused["not_a_date"]["_record"])["day"] == "30"
    malformed = next(row for reason, row in refused.items() if reason.startswith("malformed_record"))
    assert malformed["_record"] == "7,2013,1"


def test_a_repeated_run_commits_nothing(world, job):
    world.land("flights", [flight(1), flight(2, day=2), flight(2, day=2), flight(3, month=13)])
    job("bronze", "--tables", "flights")
    first = job("silver", "--tables", "flights")["tables"][0]
    before = job("versions")["versions"]
    again = job("silver", "--tables", "flights")["tables"][0]
    assert job("versions")["versions"] == before
    assert first["written"] and not again["written"]
    for name in ("rows", "rowsIn", "rowsAccepted", "rowsQuarantined", "version"):
        assert first[name] == again[name], name
    assert (first["rowsIn"], first["rowsAccepted"], first["rowsQuarantined"]) == (4, 2, 2)


def test_the_same_duplicate_stays_whatever_the_order_of_arrival(world, job, table):
    doubles = [flight(1, dep_delay=delay, arr_delay=None) for delay in (5, None, 9, 7)]
    world.land("flights", doubles, run="up")
    world.land("flights", doubles[::-1], run="down")
    kept = []
    for run in ("up", "down"):
        job("bronze", "--tables", "flights", run=run)
        result = job("silver", "--tables", "flights", run=run)
        assert result["tables"][0]["rowsQuarantined"] == 3
        kept.append([row["dep_delay"] for row in table("silver/flights").collect()])
    assert kept == [[9], [9]]
    assert {row["_reason"] for row in table("quarantine/flights").collect()} == {"duplicate_key"}


def test_a_snapshot_replaces_its_days_and_no_other(world, job, table):
    world.land("flights", [flight(1), flight(2), flight(3, day=2)], run="run-1")
    world.land("flights", [flight(1, dep_delay=99)], run="run-2")
    for run in ("run-1", "run-2"):
        job("bronze", "--tables", "flights", run=run)
        job("silver", "--tables", "flights", run=run)
    rows = {row["flight_id"]: (row["day"], row["dep_delay"]) for row in table("silver/flights").collect()}
    assert rows == {1: (1, 99), 3: (2, 2)}


def test_a_day_is_a_partition_of_one_file(world, job):
    world.land("flights", [flight(n, day=1 + n % 3) for n in range(1, 61)])
    job("bronze", "--tables", "flights")
    assert job("silver", "--tables", "flights")["tables"][0]["files"] == 3
    assert world.files("lake/silver/flights/year=2013/month=1") == ["day=1", "day=2", "day=3"]


def test_late_weather_is_merged_by_key_and_never_goes_back(world, job, table):
    world.land_weather("2013-01-01", [reading(1), reading(2), reading(3, wind_speed=1048.36058)])
    job("bronze", "--tables", "weather")
    first = job("silver", "--tables", "weather")["tables"][0]
    world.land_weather("2013-01-01-correction", [reading(2, temp=40), reading(4)])
    job("bronze", "--tables", "weather", run="run-2", as_of="2026-01-02T00:00:00Z")
    second = job("silver", "--tables", "weather", run="run-2", as_of="2026-01-02T00:00:00Z")["tables"][0]
    again = job("silver", "--tables", "weather", run="run-2", as_of="2026-01-02T00:00:00Z")["tables"][0]
    job("silver", "--tables", "weather", run="run-1")

    assert (first["rowsIn"], first["rowsAccepted"], first["rowsQuarantined"]) == (3, 2, 1)
    assert (second["rowsIn"], second["rows"], second["written"], again["written"]) == (2, 3, True, False)
    temps = {row["time_hour"].hour: row["temp"] for row in table("silver/weather").collect()}
    assert temps == {6: Decimal("39.02"), 7: Decimal("40.00"), 9: Decimal("39.02")}


def test_silver_without_bronze_says_what_to_run(job):
    result = job("silver", "--tables", "flights")
    assert (result["exit"], result["code"]) == (1, "SILVER_NO_BRONZE")
