"""Bronze keeps what was landed, as it was landed, once."""

from landing import flight, plane, reading

NASTY = 'a "quoted", comma\r\nand two\nlines \\ 🛫 '


def test_csv_values_arrive_unchanged_and_a_second_run_adds_nothing(world, job, table):
    world.land("planes", [plane("N1", model=NASTY), plane("N2", model=""), plane("N3", model=None)])
    world.land("planes", [plane("N4", model=" \t padded ")], part=1)
    first = job("bronze", "--tables", "planes")
    again = job("bronze", "--tables", "planes")

    rows = {row["tailnum"]: row for row in table("bronze/planes").collect()}
    assert {key: row["model"] for key, row in rows.items()} == {
        "N1": NASTY,
        "N2": "",
        "N3": None,
        "N4": " \t padded ",
    }
    assert rows["N1"]["seats"] == "149" and rows["N1"]["speed"] is None
    assert rows["N4"]["_source_file"].endswith("/landing/planes/run-1/part-00001.csv.gz")
    assert rows["N1"]["_run"] == "run-1" and str(rows["N1"]["_ingested_at"]) == "2026-01-01 00:00:00"
    [one], [two] = first["tables"], again["tables"]
    assert (one["rows"], one["rowsOfRun"], one["written"], one["landedFiles"]) == (4, 4, True, 2)
    assert (two["rows"], two["version"], two["written"]) == (4, one["version"], False)


def test_a_new_run_is_added_beside_the_old(world, job, table):
    world.land("airlines", [{"carrier": "UA", "name": "United Air Lines Inc."}], run="run-1")
    world.land("airlines", [{"carrier": "UA", "name": "United"}], run="day/run-2")
    job("bronze", "--tables", "airlines")
    second = job("bronze", "--tables", "airlines", run="day/run-2")
    assert second["tables"][0]["rows"] == 2 and second["tables"][0]["rowsOfRun"] == 1
    assert {row["_run"] for row in table("bronze/airlines").collect()} == {"run-1", "day/run-2"}


def test_a_short_line_is_kept_as_a_corrupt_record(world, job, table):
    header = ",".join(flight(1))
    world.land_text("flights", f"{header}\n1,2013,1\n")
    result = job("bronze", "--tables", "flights")
    assert result["tables"][0]["corruptOfRun"] == 1
    assert table("bronze/flights").collect()[0]["_corrupt_record"] == "1,2013,1"


def test_a_header_of_other_columns_fails_the_job(world, job):
    world.land_text("airlines", "name,carrier\nUnited,UA\n")
    result = job("bronze", "--tables", "airlines")
    assert result["exit"] == 1 and result["waybill"] == "error" and result["code"] == "JOB_FAILED"


def test_nothing_landed_is_refused_by_name(world, job):
    result = job("bronze", "--tables", "flights")
    assert (result["exit"], result["code"]) == (1, "BRONZE_NO_FILES")
    assert "landing/flights/run-1" in result["message"] and result["next"]


def test_weather_files_are_taken_once_and_broken_or_unknown_json_is_kept(world, job, table):
    world.land_weather("2013-01-01", [reading(1), reading(2, gusts_felt="many"), '{"origin": "EWR", "year"'])
    first = job("bronze", "--tables", "weather")
    job("bronze", "--tables", "weather")
    world.land_weather("2013-01-02", [reading(1, day=2)])
    third = job("bronze", "--tables", "weather", run="run-2")

    assert first["tables"][0]["rowsOfRun"] == 3
    assert (third["tables"][0]["rows"], third["tables"][0]["rowsOfRun"]) == (4, 1)
    rows = table("bronze/weather").where("_run = 'run-1'").collect()
    assert sorted(str(row["temp"]) for row in rows) == ["39.02", "39.02", "None"]
    assert [row["_corrupt_record"] for row in rows if row["_corrupt_record"]] == ['{"origin": "EWR", "year"']
    assert [row["_rescued_data"] for row in rows if row["_rescued_data"]] == ['{"gusts_felt":"many"}']


def test_a_lost_checkpoint_does_not_double_rows(world, job, table):
    world.land_weather("2013-01-01", [reading(1)])
    job("bronze", "--tables", "weather")
    for path in sorted((world.root / "lake/_checkpoints").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    world.land_weather("2013-01-02", [reading(1, day=2)])
    job("bronze", "--tables", "weather", run="run-2")
    assert sorted(row["day"] for row in table("bronze/weather").collect()) == ["1", "2"]
