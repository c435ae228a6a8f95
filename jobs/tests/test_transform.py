"""A table made from another by a spec: expectations, duplicates, skewed joins, and each way of writing."""

import json
from collections import Counter

import pytest
from pyspark.sql import functions as F

ORDERS = [
    # id, user, amount, at, day
    (1, "ann", "10.00", "2026-01-01 10:00:00", "2026-01-01"),
    (2, "bob", "-5.00", "2026-01-01 11:00:00", "2026-01-01"),
    (3, "ann", "7.50", "2026-01-02 10:00:00", "2026-01-02"),
    (3, "ann", "8.00", "2026-01-02 12:00:00", "2026-01-02"),
    (4, None, "3.00", "2026-01-03 10:00:00", "2026-01-03"),
    (5, "cat", "not a number", "2026-01-03 11:00:00", "2026-01-03"),
]
COLUMNS = {
    "id": "try_cast(id AS BIGINT)",
    "user_id": "user",
    "amount": "try_cast(amount AS DECIMAL(12,2))",
    "updated_at": "try_cast(at AS TIMESTAMP)",
    "day": "day",
}


@pytest.fixture
def put(spark, world):
    def write(name, rows, schema, run="run-1", mode="append"):
        frame = spark.createDataFrame(rows, schema).withColumn("_run", F.lit(run))
        frame.write.format("delta").mode(mode).save(world.uri(f"lake/{name}"))

    return write


@pytest.fixture
def transform(job, put):
    put(
        "bronze/orders",
        [(str(i), *rest) for i, *rest in ORDERS],
        "id string, user string, amount string, at string, day string",
    )
    put("silver/users", [("ann", "nz"), ("bob", "de")], "user_id string, country string")

    def run(spec=None, run="run-1", as_of="2026-01-01T00:00:00Z", **more):
        target = {"table": "silver/orders", **more.pop("target", {})}
        whole = {"source": "bronze/orders", "columns": COLUMNS, "target": target, **more, **(spec or {})}
        return job("transform", "--spec", json.dumps(whole), run=run, as_of=as_of)

    return run


def test_expectations_warn_drop_and_quarantine_and_a_repeat_changes_nothing(transform, table):
    expectations = [
        {"name": "positive", "condition": "amount > 0", "onViolation": "quarantine"},
        {"name": "numeric", "condition": "amount IS NOT NULL", "onViolation": "quarantine"},
        {"name": "has a user", "condition": "user_id IS NOT NULL", "onViolation": "drop"},
        {"name": "recent", "condition": "updated_at >= '2026-01-02'"},
    ]
    more = {"expectations": expectations, "quarantine": "quarantine/orders"}
    dedup = {"keys": ["id"], "orderBy": ["updated_at desc"]}
    [first] = transform(deduplicate=dedup, **more)["tables"]
    assert [(each["name"], each["violations"]) for each in first["expectations"]] == [
        *[("positive", 1), ("numeric", 1), ("has a user", 1)],
        ("recent", 2),
    ]
    assert (first["rowsRead"], first["rowsWritten"], first["quarantined"]) == (6, 2, 2)
    [again] = transform(deduplicate=dedup, **more)["tables"]
    assert (again["rows"], again["written"], again["quarantined"]) == (2, False, 2)
    assert sorted((row.id, str(row.amount)) for row in table("silver/orders").collect()) == [(1, "10.00"), (3, "8.00")]
    refused = {row._reason: json.loads(row._record) for row in table("quarantine/orders").collect()}
    assert set(refused) == {"positive", "numeric"}
    assert refused["positive"]["id"] == 2 and refused["numeric"]["amount"] is None


def test_an_expectation_that_must_hold_stops_the_job_before_it_writes(transform, table, world):
    failed = transform(expectations=[{"name": "positive", "condition": "amount > 0", "onViolation": "fail"}])
    assert (failed["exit"], failed["code"]) == (1, "EXPECTATION_FAILED")
    assert "positive: 1" in failed["message"]
    assert not (world.root / "lake/silver/orders").exists()


def test_merge_keeps_the_newer_row_and_takes_new_columns(transform, put, table):
    schema = "id string, user string, amount string, at string, day string"
    target = {"mode": "merge", "keys": ["id"], "orderBy": "updated_at", "evolveSchema": True}
    dedup = {"keys": ["id"], "orderBy": ["updated_at desc"]}
    transform(target=target, deduplicate=dedup, onlyRun=True)
    put(
        "bronze/orders",
        [
            ("3", "ann", "1.00", "2026-01-01 00:00:00", "2026-01-02"),
            ("1", "ann", "99.00", "2026-02-01 00:00:00", "2026-01-01"),
            ("9", "eve", "4.00", "2026-02-01 00:00:00", "2026-02-01"),
        ],
        schema,
        run="run-2",
    )
    [second] = transform(target=target, deduplicate=dedup, onlyRun=True, run="run-2", derive={"big": "amount > 50"})[
        "tables"
    ]
    assert second["rowsWritten"] == 2
    found = {
        row.id: (None if row.amount is None else str(row.amount), row.big) for row in table("silver/orders").collect()
    }
    assert found[1] == ("99.00", True) and found[3] == ("8.00", None) and found[9] == ("4.00", False)
    assert len(found) == 6
    repeated = transform(target=target, run="run-3", onlyRun=False)
    assert repeated["code"] == "MERGE_REPEATED_KEY"


def test_history_keeps_every_state(transform, put, table):
    target = {"table": "silver/user_history", "mode": "history", "keys": ["user_id"]}
    spec = {"source": "silver/users", "columns": {}, "target": target}
    transform(spec)
    now = [("ann", "au"), ("bob", "de")]
    put("silver/users", now, "user_id string, country string", run="run-2", mode="overwrite")
    late = transform(spec, run="run-2")
    assert late["code"] == "SCD2_LATE_DATA"  # the moment of the state that it would close
    [second] = transform(spec, run="run-2", as_of="2026-02-01T00:00:00Z")["tables"]
    assert (second["rows"], second["rowsWritten"]) == (3, 1)
    rows = table("silver/user_history").orderBy("user_id", "valid_from").collect()
    assert [(row.user_id, row.country, row.is_current) for row in rows] == [
        *[("ann", "nz", False), ("ann", "au", True)],
        ("bob", "de", True),
    ]
    assert rows[0].valid_to == rows[1].valid_from


def test_partitions_that_the_rows_have_are_replaced_and_others_stay(transform, table):
    target = {"mode": "overwritePartitions", "partitionBy": ["day"]}
    transform(target=target)
    [second] = transform(
        target=target, run="run-2", where="id = '1'", derive={"amount": "CAST(amount * 2 AS DECIMAL(12,2))"}
    )["tables"]
    assert second["rows"] == 5
    assert [str(row.amount) for row in table("silver/orders").where("day = '2026-01-01'").collect()] == ["20.00"]


SKEWED = [(n, "heavy" if n % 10 else f"k{n}") for n in range(2000)]


@pytest.mark.parametrize("how", ["broadcast", "aqe", "salt"])
def test_a_skewed_join_gives_the_same_rows_however_it_is_done(how, job, put, table):
    put("bronze/clicks", SKEWED, "id int, user_id string")
    put(
        "silver/users",
        [("heavy", "nz"), ("k0", "de"), ("k0", "at"), ("nobody", "fr")],
        "user_id string, country string",
    )
    for kind, rows in (("inner", 1802), ("left", 2001)):
        join = {"table": "silver/users", "on": ["user_id"], "type": kind, "strategy": how, "salts": 7}
        spec = {"source": "bronze/clicks", "joins": [join], "target": {"table": f"gold/{how}_{kind}"}}
        [done] = job("transform", "--spec", json.dumps(spec))["tables"]
        assert done["rows"] == rows
        found = Counter((row.id, row.country) for row in table(f"gold/{how}_{kind}").collect())
        assert max(found.values()) == 1 and found[(1, "nz")] == 1 and found[(0, "at")] == 1
        assert found[(10, None)] == (1 if kind == "left" else 0)


def test_the_way_of_a_join_is_chosen_by_what_is_measured(job, put, spark):
    put("bronze/clicks", SKEWED, "id int, user_id string")
    put("bronze/even", [(n, f"k{n % 200}") for n in range(2000)], "id int, user_id string")
    put("silver/users", [("heavy", "nz"), ("k0", "de")], "user_id string, country string")

    def told(source, **more):
        join = {"table": "silver/users", "on": ["user_id"], **more}
        target = {"table": f"gold/chosen_{source.split('/')[1]}", "mode": "overwrite"}
        spec = {"source": source, "joins": [join], "target": target}
        [done] = job("transform", "--spec", json.dumps(spec), run=f"run-{len(more)}-{source[-3:]}")["tables"]
        return done["joins"][0]

    assert told("bronze/clicks")["strategy"] == "broadcast"
    spark.conf.set("spark.sql.shuffle.partitions", "20")
    try:
        split = told("bronze/clicks", broadcastBytes=0)
        assert (split["strategy"], split["skew"]["heaviest"]) == ("aqe", 1800) and split["skew"]["factor"] == 18.0
        assert "no skew" in told("bronze/even", broadcastBytes=0)["reason"]
        spark.conf.set("spark.sql.adaptive.skewJoin.enabled", "false")
        salted = told("bronze/clicks", broadcastBytes=0, type="inner")
        assert (salted["strategy"], salted["salts"]) == ("salt", 18)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", "2")
        spark.conf.set("spark.sql.adaptive.skewJoin.enabled", "true")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"sauce": 1}, "/sauce is not known here"),
        (
            {"expectations": [{"name": "a", "condition": "true", "onViolation": "ignore"}]},
            "/expectations/0/onViolation",
        ),
        ({"expectations": [{"name": "a", "condition": "true", "onViolation": "quarantine"}]}, "/quarantine is missing"),
        ({"source": "../../etc"}, "/source is a path below the lake"),
        ({"target": {"mode": "merge"}}, "/target/keys is missing"),
        ({"joins": [{"table": "silver/users", "on": []}]}, "/joins/0/on is empty"),
    ],
)
def test_a_bad_spec_is_refused_by_its_place(change, place, transform):
    refused = transform(**change)
    assert refused["code"] == "TRANSFORM_BAD_SPEC"
    assert place in refused["message"]
