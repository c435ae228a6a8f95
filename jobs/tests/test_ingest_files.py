"""Files of a folder, each once; new columns and wrong values by the rule that was asked for."""

import json
import shutil

import pytest


@pytest.fixture
def land(world):
    def write(name: str, text: str) -> None:
        path = world.root / "drop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    return write


@pytest.fixture
def ingest(world, job):
    def run(format: str, *extra: str, run: str = "run-1"):
        where = ("--table", "bronze/events", "--source", world.uri("drop"))
        result = job("ingest_files", *where, "--format", format, *extra, run=run)
        return result if result["exit"] else {**result["tables"][0], "exit": 0}

    return run


def lines(*rows: dict) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_json_once_with_new_columns_nested_values_wrong_types_and_broken_lines(world, land, ingest, table):
    hints = ("--hints", "id BIGINT")
    land("a.json", lines({"id": 1, "what": {"x": [1, 2]}}, {"id": "no", "what": None}) + '{"id": 3, "wh\n')
    first = ingest("json", *hints)
    again = ingest("json", *hints)
    land("sub/b.json", lines({"id": 4, "ID2": "new", "what": "w"}))
    third = ingest("json", *hints, run="run-2")

    assert (first["rows"], first["rowsAdded"], first["filesTaken"], first["schemaVersion"]) == (3, 3, 1, 0)
    assert (again["rowsAdded"], again["written"], again["batches"]) == (0, False, 0)
    assert (third["rows"], third["rowsAdded"], third["columnsAdded"], third["schemaVersion"]) == (4, 1, ["ID2"], 1)
    rows = table("bronze/events").collect()
    assert dict(table("bronze/events").dtypes)["id"] == "bigint"
    found = {(row["id"], row["what"], row["ID2"], row["_rescued_data"]) for row in rows}
    assert found == {
        (1, '{"x":[1,2]}', None, None),
        (None, None, None, '{"id":"no"}'),
        (None, None, None, '{"_corrupt_record":"{\\"id\\": 3, \\"wh"}'),
        (4, "w", "new", None),
    }
    assert {row["_run"] for row in rows} == {"run-1", "run-2"}
    assert all("/drop/" in row["_source_file"] for row in rows)


def test_a_new_column_is_rescued_dropped_or_refused(land, ingest, table):
    land("a.json", lines({"id": "1"}))
    ingest("json")
    land("b.json", lines({"id": "2", "more": "x", "Id": "case"}))
    refused = ingest("json", "--evolution", "failOnNewColumns")
    assert (refused["exit"], refused["code"]) == (1, "INGEST_NEW_COLUMNS")
    assert "more" in refused["message"]
    assert ingest("json", "--evolution", "rescue")["rowsAdded"] == 1  # the refused file was not lost
    land("c.json", lines({"id": "3", "more": "x"}))
    ingest("json", "--evolution", "none")
    rows = {row["id"]: row["_rescued_data"] for row in table("bronze/events").collect()}
    assert json.loads(rows.pop("2")) == {"more": "x", "Id": "case"}
    assert rows == {"1": None, "3": None}


def test_csv_files_with_other_headers_in_one_batch(land, ingest, table):
    land("a.csv", 'id;name\n1;"a;\nb"\n2;""\n')
    land("b.csv", "name;id;extra\nB;3;e\n")
    done = ingest("csv", "--options", '{"sep": ";"}', "--hints", "id INT")
    assert (done["rows"], done["filesTaken"], done["schemaVersion"]) == (3, 2, 0)
    rows = {row["id"]: (row["name"], row["extra"], row["_rescued_data"]) for row in table("bronze/events").collect()}
    assert rows[1] == ("a;\nb", None, None) and rows[3] == ("B", "e", None)
    refused = ingest("csv", "--options", '{"header": "false"}')
    assert refused["code"] == "INGEST_OPTION_RESERVED"


def test_parquet_keeps_its_types_and_a_value_that_does_not_fit_is_rescued(spark, world, ingest, table):
    spark.sql("select 7L as id, date'2013-01-01' as day").coalesce(1).write.parquet(world.uri("drop/one"))
    ingest("parquet", "--glob", "*.parquet")
    spark.sql("select 'x' as id, date'2013-01-02' as day, 1.5D as more").coalesce(1).write.parquet(
        world.uri("drop/two")
    )
    done = ingest("parquet", "--glob", "*.parquet")
    assert (done["rowsAdded"], done["columnsAdded"]) == (1, ["more"])
    types = dict(table("bronze/events").dtypes)
    assert (types["id"], types["day"], types["more"]) == ("bigint", "date", "double")
    rescued = [row["_rescued_data"] for row in table("bronze/events").where("id is null").collect()]
    assert rescued == ['{"id":"x"}']


def test_nothing_doubles_when_the_checkpoint_is_lost_or_a_batch_was_not_recorded(world, land, ingest, table):
    land("a.json", lines({"id": "1"}))
    ingest("json")
    checkpoint = world.root / "lake/_checkpoints/bronze/events"
    # As after a kill between Delta's commit and the stream's: the batch is done again.
    for name in ("0", ".0.crc"):
        (checkpoint / "commits" / name).unlink(missing_ok=True)
    assert ingest("json")["rowsAdded"] == 0
    land("next.json", lines({"id": "next"}))
    ingest("json")
    # Here only Delta's own record of the stream's batches stands between the file and its rows a second time.
    last = max(int(path.name) for path in (checkpoint / "commits").iterdir() if path.name.isdigit())
    for name in (str(last), f".{last}.crc"):
        (checkpoint / "commits" / name).unlink(missing_ok=True)
    assert (last > 0, ingest("json")["rowsAdded"]) == (True, 0)
    shutil.rmtree(checkpoint)
    shutil.rmtree(world.root / "lake/_schemas")
    land("b.json", lines({"id": "2"}))
    assert ingest("json")["rowsAdded"] == 1
    assert sorted(row["id"] for row in table("bronze/events").collect()) == ["1", "2", "next"]


def test_batches_are_bounded_and_an_interval_ends(land, ingest):
    for number in range(3):
        land(f"{number}.json", lines({"id": str(number)}))
    assert ingest("json", "--interval", "1 second")["code"] == "INGEST_NO_END"
    first = ingest("json", "--files-per-batch", "2")
    assert (first["rows"], first["filesTaken"], first["batches"]) == (3, 3, 2)
    land("3.json", lines({"id": "3"}))
    # How much it takes until it is ended depends on the machine; what it leaves, the next one takes.
    some = ingest("json", "--interval", "1 second", "--for-seconds", "5")
    rest = ingest("json")
    assert (some["rowsAdded"] + rest["rowsAdded"], rest["rows"]) == (1, 4)


def test_an_empty_or_missing_folder_is_refused_by_name(world, ingest):
    assert ingest("json")["code"] == "INGEST_NO_FILES"
    (world.root / "drop").mkdir()
    assert ingest("json")["code"] == "INGEST_NO_FILES"


def test_auto_loader_is_asked_for_the_same_and_refused_where_there_is_none(world, land, ingest):
    from waybill_jobs.auto_loader import auto_loader_options
    from waybill_jobs.evolution import Place

    place = Place.of("s3://lake", "bronze/events")
    rules = {"evolution": "rescue", "hints": "id BIGINT", "glob": "*.csv", "files_per_batch": 7}
    assert auto_loader_options(place, "csv", options={"sep": ";"}, **rules) == {
        "header": "true",
        "multiLine": "true",
        "escape": '"',
        "sep": ";",
        "cloudFiles.format": "csv",
        "cloudFiles.schemaLocation": "s3://lake/_schemas/bronze/events/cloudFiles",
        "cloudFiles.schemaEvolutionMode": "rescue",
        "cloudFiles.inferColumnTypes": "false",
        "cloudFiles.maxFilesPerTrigger": "7",
        "cloudFiles.includeExistingFiles": "true",
        "cloudFiles.schemaHints": "id BIGINT",
        "rescuedDataColumn": "_rescued_data",
        "pathGlobFilter": "*.csv",
    }
    land("a.json", lines({"id": 1}))
    assert ingest("json", "--listing", "cloudFiles")["code"] == "INGEST_NO_AUTO_LOADER"
    assert ingest("json")["rowsAdded"] == 1
    assert ingest("json", "--listing", "cloudFiles")["code"] == "INGEST_OTHER_LISTING"
