"""A data flow's program on real Spark: what the sinks' folders hold."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from landing import World
from pyspark.sql import SparkSession

from waybill_jobs.dataflow.supported import KNOWN, supported

NOW = "2026-01-01T00:00:00Z"


def col(name: str, stream: str | None = None) -> dict[str, Any]:
    return {"type": "column", "name": name, "stream": stream, "output": None}


def lit(value: Any) -> dict[str, Any]:
    kind = {bool: "boolean", int: "integer", str: "string"}.get(type(value), "null")
    return {"type": "literal", "value": value, "kind": kind}


def call(name: str, *arguments: Any) -> dict[str, Any]:
    return {"type": "call", "name": name, "arguments": list(arguments), "line": 1}


def put(name: str, value: Any) -> dict[str, Any]:
    return {"type": "assign", "target": col(name), "value": value}


def opt(key: str, value: Any) -> dict[str, Any]:
    return {"type": "entry", "key": key, "value": lit(value)}


def typed(name: str, kind: str, form: str | None = None) -> dict[str, Any]:
    return {"type": "typed", "name": name, "as": kind, "format": form, "fields": None, "array": False}


def step(name: str, what: str, inputs: list[str], *arguments: Any, outputs: tuple[str, ...] = ()) -> dict[str, Any]:
    places = [{"stream": i.split("@")[0], "output": i.split("@")[1] if "@" in i else None} for i in inputs]
    body = {"transformation": what, "arguments": list(arguments), "line": 1}
    return {"name": name, "outputs": list(outputs), "inputs": places, **body}


Run = Callable[..., dict[str, list[dict[str, Any]]]]


@pytest.fixture
def flow(spark: SparkSession, world: World, job: Callable[..., dict[str, Any]]) -> Run:
    """Stages `sources` (name: SQL of rows), runs the steps, gives each sink's rows and, as "", the result."""

    def run(
        sources: dict[str, str],
        *steps: dict[str, Any],
        refused: bool = False,
        tables: tuple[str, ...] = (),
        staged: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        staged = dict(staged or {})
        for name, sql in sources.items():
            path = world.uri(f"staged/{name}")
            spark.sql(sql).coalesce(1).write.mode("overwrite").parquet(path)
            staged[name] = {"kind": "staged-parquet", "paths": [path]}
        allow = {"insert": True, "update": True, "upsert": True, "delete": True}
        sinks = {
            s["name"]: {"path": world.uri(f"sinks/{s['name']}"), "allow": allow, "table": s["name"] in tables}
            for s in steps
            if s["transformation"] == "sink"
        }
        program = {"parameters": [], "streams": list(steps)}
        plan = {"program": program, "parameters": {}, "sources": staged, "sinks": sinks, "now": NOW}
        result = job("dataflow", "--plan", json.dumps(plan))
        found: dict[str, Any] = {"": result}
        if result["exit"] == 0:
            for name, sink in sinks.items():
                found[name] = [row.asDict() for row in spark.read.parquet(f"{sink['path']}/insert").collect()]
                if any(s["transformation"] == "alterRow" for s in steps):
                    found[f"{name}/change"] = [r.asDict() for r in spark.read.parquet(f"{sink['path']}/change").collect()]
        assert (result["exit"] != 0) == refused, result
        return found

    return run


def test_expressions_have_the_meaning_of_adf(flow: Run) -> None:
    values = {
        "a": call("+", lit("x"), lit(1)),
        "b": call("iifNull", lit(None), lit("none")),
        "c": call("toInteger", lit("no number")),
        "d": call("toString", call("toDate", lit("31/12/2025"), lit("dd/MM/yyyy")), lit("yyyy-MM")),
        "e": call("/", lit(7), lit(2)),
        "f": call("case", call("==", col("n"), lit(1)), lit("one"), lit("more")),
        "g": call("toString", call("currentUTC")),
        "h": call("substring", lit("waybill"), lit(4), lit(4)),
        "i": call("isInteger", lit("12a")),
        "j": call("md5", lit("a")),
        "k": call("toString", call("map", call("array", lit(1), lit(2)), call("*", {"type": "item", "index": None, "name": "item"}, lit(2)))),
        "l": call("addMonths", call("toDate", lit("2024-01-31")), lit(1)),
        "m": call("split", lit("a|b"), lit("|")),
    }
    rows = flow(
        {"In": "SELECT 1 AS n"},
        step("In", "source", [], call("output", typed("n", "integer"))),
        step("D", "derive", ["In"], *[put(name, value) for name, value in values.items()]),
        step("Out", "sink", ["D"]),
    )["Out"]
    row = rows[0]
    assert [row[k] for k in "abcdefghi"] == ["x1", "none", None, "2025-12", 3, "one", "2026-01-01 00:00:00", "bill", False]
    assert row["j"] == "0cc175b9c0f1b6a831c399e269772661"
    assert (row["k"], str(row["l"]), row["m"]) == ("[2,4]", "2024-02-29", '["a","b"]')


def test_a_lookup_splits_rows_into_inserts_and_updates(flow: Run) -> None:
    found = flow(
        {"In": "SELECT * FROM VALUES (1,'a'),(2,'b') AS t(id,v)", "Old": "SELECT * FROM VALUES (2,'z'),(2,'y') AS t(id,v)"},
        step("In", "source", [], call("output", typed("id", "integer"), typed("v", "string"))),
        step("Old", "source", [], call("output", typed("id", "integer"), typed("v", "string"))),
        step("L", "lookup", ["In", "Old"], call("==", col("id", "In"), col("id", "Old")), opt("multiple", False), opt("pickup", "any")),
        step("S", "split", ["L"], call("isNull", col("id", "Old")), opt("disjoint", False), outputs=("New", "Known")),
        step("A", "alterRow", ["S@Known"], call("updateIf", call("true"))),
        step("B", "alterRow", ["S@New"], call("insertIf", call("true"))),
        step("U", "union", ["A", "B"], opt("byName", True)),
        step("Out", "sink", ["U"], call("mapColumn", put("key", col("id")), col("v"))),
    )
    assert found["Out"] == [{"key": 1, "v": "a"}]
    assert found["Out/change"] == [{"key": 2, "v": "b", "__waybill_row": "U"}]
    table = next(t for t in found[""]["tables"] if t["table"] == "sink:Out")
    assert (table["rows"], table["inserts"], table["updates"]) == (2, 1, 1)


def test_a_lookup_picks_by_its_order(flow: Run) -> None:
    same = call("==", col("id", "In"), col("id", "Old"))
    order = [opt("multiple", False), call("asc", col("v"), lit(True))]
    found = flow(
        {"In": "SELECT 2 AS id", "Old": "SELECT * FROM VALUES (2,'b'),(2,'c'),(2,'a') AS t(id,v)"},
        step("In", "source", [], call("output", typed("id", "integer"))),
        step("Old", "source", [], call("output", typed("id", "integer"), typed("v", "string"))),
        step("F", "lookup", ["In", "Old"], same, opt("pickup", "first"), *order),
        step("L", "lookup", ["In", "Old"], same, opt("pickup", "last"), *order),
        step("First", "sink", ["F"], call("mapColumn", col("v"))),
        step("Last", "sink", ["L"], call("mapColumn", col("v"))),
    )
    assert (found["First"], found["Last"]) == ([{"v": "a"}], [{"v": "c"}])


def test_a_delta_table_is_read_as_it_is_or_was(flow: Run, spark: SparkSession, world: World) -> None:
    path = world.uri("table")
    for n in (1, 2):
        spark.sql(f"SELECT {n} AS n, array({n}) AS a").write.format("delta").mode("overwrite").save(path)
    plan = {"kind": "files", "format": "delta", "paths": [path]}
    for options, found in (({}, 2), ({"versionAsOf": "0"}, 1)):
        rows = flow(
            {},
            step("In", "source", [], opt("allowSchemaDrift", True)),
            step("Out", "sink", ["In"]),
            staged={"In": {**plan, "options": options}},
        )["Out"]
        assert rows == [{"n": found, "a": f"[{found}]"}]


def test_groups_windows_and_existence(flow: Run) -> None:
    found = flow(
        {"In": "SELECT * FROM VALUES ('x',1),('x',2),('y',5) AS t(g,n)", "Not": "SELECT 'y' AS g"},
        step("In", "source", [], call("output", typed("g", "string"), typed("n", "integer"))),
        step("Not", "source", [], call("output", typed("g", "string"))),
        step("E", "exists", ["In", "Not"], call("==", col("g", "In"), col("g", "Not")), opt("negate", True)),
        step("W", "window", ["E"], call("over", col("g")), call("desc", col("n"), lit(True)), put("r", call("rowNumber"))),
        step("Ranked", "sink", ["W"]),
        step("G", "aggregate", ["In"], call("groupBy", col("g")), put("total", call("sum", col("n")))),
        step("Sums", "sink", ["G"]),
    )
    assert sorted((r["n"], r["r"]) for r in found["Ranked"]) == [(1, 2), (2, 1)]
    assert {r["g"]: r["total"] for r in found["Sums"]} == {"x": 3, "y": 5}


def test_a_rule_renames_the_columns_that_it_matches(flow: Run) -> None:
    matched = {"type": "matched", "index": None}
    rule = call("match", call("==", col("type"), lit("string")))
    name = {"type": "assign", "target": call("concat", lit("p_"), matched), "value": matched}
    rows = flow(
        {"In": "SELECT 'x' AS a, 1 AS n"},
        step("In", "source", [], opt("allowSchemaDrift", True)),
        step("S", "select", ["In"], call("mapColumn", call("each", rule, name))),
        step("Out", "sink", ["S"]),
    )["Out"]
    assert rows == [{"p_a": "x"}]


def test_a_rule_that_says_nothing_of_names_keeps_them(flow: Run) -> None:
    rule = call("match", call("==", col("type"), lit("string")))
    rows = flow(
        {"In": "SELECT 'x' AS a, 1 AS n, 'y' AS b"},
        step("In", "source", [], opt("allowSchemaDrift", True)),
        step("S", "select", ["In"], call("mapColumn", call("each", rule))),
        step("Out", "sink", ["S"], call("mapColumn", col("b"), call("each", rule)), opt("skipDuplicateMapOutputs", True)),
    )["Out"]
    assert rows == [{"b": "y", "a": "x"}]


def test_a_pattern_is_found_anywhere_in_the_names(flow: Run) -> None:
    matched = {"type": "matched", "index": None}
    ends_well = call("patternMatch", lit(".*[^_]$"))
    named = {"type": "assign", "target": call("concat", matched, lit("_new")), "value": matched}
    source = {"In": "SELECT 'x' AS a_, 1 AS n, 'y' AS num"}
    rows = flow(
        source,
        step("In", "source", [], opt("allowSchemaDrift", True)),
        step("S", "select", ["In"], call("mapColumn", call("each", call("patternMatch", lit("n|_")), named))),
        step("Renamed", "sink", ["S"]),
        step("Out", "sink", ["In"], call("mapColumn", call("each", ends_well))),
    )
    assert rows["Renamed"] == [{"a__new": "x", "n_new": 1, "num_new": "y"}]
    assert rows["Out"] == [{"n": 1, "num": "y"}]


def test_groups_of_a_pattern_in_a_name_are_refused(flow: Run) -> None:
    matched = {"type": "matched", "index": None}
    rule = call("each", call("patternMatch", lit("(a)")), {"type": "assign", "target": lit("x$1"), "value": matched})
    with pytest.raises(AssertionError, match="DATAFLOW_UNSUPPORTED"):
        flow(
            {"In": "SELECT 'x' AS a"},
            step("In", "source", [], opt("allowSchemaDrift", True)),
            step("S", "select", ["In"], call("mapColumn", rule)),
            step("Out", "sink", ["S"]),
        )


def test_a_select_without_a_mapping_takes_all_columns_under_its_own_name(flow: Run) -> None:
    other = {"type": "column", "name": "v", "stream": "Alias"}
    rows = flow(
        {"In": "SELECT 1 AS k, 'x' AS v"},
        step("In", "source", [], call("output", typed("k", "integer"), typed("v", "string"))),
        step("Alias", "select", ["In"], opt("skipDuplicateMapInputs", True), opt("skipDuplicateMapOutputs", True)),
        step("D", "derive", ["Alias"], put("copy", other)),
        step("Out", "sink", ["D"]),
    )["Out"]
    assert rows == [{"k": 1, "v": "x", "copy": "x"}]


def test_of_columns_whose_names_differ_by_case_a_table_gets_the_derived_one(flow: Run) -> None:
    source = step("In", "source", [], call("output", typed("CODE", "string"), typed("n", "integer")))
    derived = step("D", "derive", ["In"], put("code", call("lower", col("CODE"))))
    rows = flow({"In": "SELECT 'X' AS CODE, 1 AS n"}, source, derived, step("Out", "sink", ["D"]), tables=("Out",))
    assert rows["Out"] == [{"code": "x", "n": 1}]


def test_what_is_not_run_is_refused_by_name(flow: Run) -> None:
    source = step("In", "source", [], call("output", typed("n", "integer")))
    result = flow({"In": "SELECT 1 AS n"}, source, step("D", "derive", ["In"], put("a", call("noSuch"))), step("Out", "sink", ["D"]), refused=True)[""]
    assert result["code"] == "DATAFLOW_UNSUPPORTED" and "noSuch" in result["message"]


def test_the_published_list_is_what_the_interpreter_knows() -> None:
    from waybill_jobs.dataflow.run import TRANSFORMATIONS

    listed = supported()
    assert {name.lower() for name in listed["functions"]} <= KNOWN
    assert {name.lower() for name in listed["transformations"]} == set(TRANSFORMATIONS)
