"""Gold counts right, gives the same digits every time, and its files lose nothing."""

import csv
import gzip
import io
import json

import pytest
from landing import airport, cancelled, flight, plane, reading

from waybill_jobs.errors import JobError
from waybill_jobs.export import export_table

FLIGHTS = [
    flight(1, dep_delay=2, arr_delay=11),
    flight(2, dep_delay=16, arr_delay=-3),
    flight(3, dep_delay=15, arr_delay=None, air_time=None),
    cancelled(4),
    flight(5, carrier="XX", dest="ZZZ", tailnum=None, time_hour="2013-01-01 11:00:00.000000"),
]


@pytest.fixture
def refined(world, job):
    world.land("flights", FLIGHTS)
    world.land("planes", [plane("N14228", seats=149)])
    world.land("airports", [airport("EWR", "Newark Liberty Intl"), airport("IAH", 'George "W." Bush, Intl')])
    world.land("airlines", [{"carrier": "UA", "name": "United Air Lines Inc."}])
    world.land_weather("2013-01-01", [reading(5, precip=0.05)])
    assert job("bronze")["exit"] == 0
    assert job("silver")["exit"] == 0


def test_tables_and_files_agree_with_the_flights_and_repeat_exactly(world, job, table, refined):
    export = ("--export", world.uri("serving"))
    first = job("gold", *export)
    files = {p.name: p.read_bytes() for p in (world.root / "serving/delays_by_route_carrier").glob("*[!c]")}
    again = job("gold", *export)

    ua = table("gold/delays_by_route_carrier").where("carrier = 'UA'").collect()[0].asDict()
    assert (ua["flights"], ua["cancelled"], ua["arrived"], ua["delayed_over_15"]) == (4, 1, 2, 1)
    assert [str(ua[n]) for n in ("dep_delay_avg", "share_delayed", "arr_delay_avg")] == ["11.00", "0.3333", "4.00"]
    assert (ua["dep_delay_p50"], ua["dep_delay_p90"], ua["seats_scheduled"]) == (15, 16, 4 * 149)
    weather = {row["wind_band"]: row for row in table("gold/delays_by_weather").collect()}
    assert (weather["breeze"]["precip_band"], weather["breeze"]["visib_band"]) == ("light", "clear")
    assert (weather["breeze"]["flights"], weather["unknown"]["flights"]) == (4, 1)

    assert [t["written"] for t in first["tables"]] == [True, True]
    assert [t["written"] for t in again["tables"]] == [False, False]
    assert set(files) == {"manifest.json", "part-00000.csv.gz"}
    after = {p.name: p.read_bytes() for p in (world.root / "serving/delays_by_route_carrier").glob("*[!c]")}
    assert after == files

    manifest = json.loads(files["manifest.json"])
    assert manifest == next(m for m in first["exports"] if m["table"] == "delays_by_route_carrier")
    assert manifest["files"] == [{"name": "part-00000.csv.gz", "bytes": len(files["part-00000.csv.gz"]), "rows": 2}]
    lines = gzip.decompress(files["part-00000.csv.gz"]).decode()
    parsed = list(csv.DictReader(io.StringIO(lines)))
    assert [row["dest_name"] for row in parsed] == ['George "W." Bush, Intl', ""]
    assert '"George ""W."" Bush, Intl"' in lines
    types = {column["name"]: column["type"] for column in manifest["columns"]}
    assert list(types) == list(parsed[0])
    assert (types["origin"], types["flights"], types["dep_delay_avg"]) == ("varchar(3)", "bigint", "decimal(9,2)")
    sums = {column["name"]: column.get("sum") for column in manifest["columns"]}
    assert (sums["flights"], sums["dep_delay_avg"]) == ("5", "13.00")


TEXTS = [
    (1, None),
    (2, ""),
    (3, "plain"),
    (4, 'say "hi", twice'),
    (5, "line\nline\r\nline\rend"),
    (6, " lead and trail \t"),
    (7, "back\\slash \\N NULL"),
    (8, "🛫 Zürich 東京"),
    (9, '"'),
    (10, "#comment"),
]


def parse_rfc4180(text: str) -> list[list[str | None]]:
    """A parser of our own, because the csv module cannot tell `,,` from `,"",`."""
    rows: list[list[str | None]] = []
    row: list[str | None] = []
    at = 0
    while at < len(text):
        if text[at] == '"':
            value, at = "", at + 1
            while True:
                end = text.index('"', at)
                value += text[at:end]
                at = end + 1
                if text[at : at + 1] != '"':
                    break
                value, at = value + '"', at + 1
            row.append(value)
        else:
            end = min(i for i in (text.find(",", at), text.find("\n", at), len(text)) if i >= 0)
            row.append(text[at:end] or None)
            at = end
        if text[at : at + 1] == "\n":
            rows.append(row)
            row = []
        at += 1
    return rows


def export(spark, world, rows, folder="out"):
    frame = spark.createDataFrame(rows, "id int, text string").repartition(3)
    columns = (("id", "int"), ("text", "varchar(30)"))
    return export_table(spark, frame, world.uri(folder), "texts", columns, ("id",), "run-1", 0)


def test_every_kind_of_text_survives_the_export_in_key_order(spark, world):
    manifest = export(spark, world, TEXTS)
    text = gzip.decompress((world.root / "out/part-00000.csv.gz").read_bytes()).decode()
    header, *rows = parse_rfc4180(text)
    assert header == ["id", "text"]
    assert [(int(row[0] or 0), row[1]) for row in rows] == TEXTS
    assert manifest["rows"] == len(TEXTS) and manifest["columns"][1]["nonNull"] == len(TEXTS) - 1


def test_an_empty_table_is_a_file_with_a_header(spark, world):
    manifest = export(spark, world, [])
    assert manifest["rows"] == 0
    assert gzip.decompress((world.root / "out/part-00000.csv.gz").read_bytes()) == b"id,text\n"


def test_a_value_wider_than_its_type_stops_the_export_before_a_manifest(spark, world):
    with pytest.raises(JobError) as refusal:
        export(spark, world, [(1, "x" * 31)])
    assert refusal.value.code == "EXPORT_TOO_WIDE"
    assert not (world.root / "out/manifest.json").exists()


def test_several_files_keep_the_order_and_leave_nothing_old_behind(spark, world, monkeypatch):
    export(spark, world, TEXTS)
    monkeypatch.setattr("waybill_jobs.export.ROWS_PER_FILE", 4)
    manifest = export(spark, world, TEXTS)
    names = [file["name"] for file in manifest["files"]]
    assert sum(file["rows"] for file in manifest["files"]) == len(TEXTS) and len(names) > 1
    ids = []
    for name in names:
        text = gzip.decompress((world.root / "out" / name).read_bytes()).decode()
        ids += [int(row[0] or 0) for row in parse_rfc4180(text)[1:]]
    assert ids == [number for number, _ in TEXTS]
    monkeypatch.undo()
    export(spark, world, TEXTS)
    assert world.files("out") == ["manifest.json", "part-00000.csv.gz"]
