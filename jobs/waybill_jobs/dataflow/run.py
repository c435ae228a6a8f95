"""The job `dataflow`: a plan's program over its staged sources, to the folders of its sinks."""

import json
from collections import Counter
from typing import Any

from pyspark.sql import SparkSession

from waybill_jobs.dataflow.expressions import Scope, compiled
from waybill_jobs.dataflow.faults import Invalid, Unsupported
from waybill_jobs.dataflow.frame import Frame
from waybill_jobs.dataflow.groups import (
    run_aggregate,
    run_fold_down,
    run_pivot,
    run_rank,
    run_unpivot,
    run_window,
)
from waybill_jobs.dataflow.joins import run_exists, run_join, run_lookup, run_union
from waybill_jobs.dataflow.kinds import Node, quoted, spark_type
from waybill_jobs.dataflow.rows import (
    run_alter_row,
    run_cast,
    run_derive,
    run_filter,
    run_key,
    run_select,
    run_sort,
    run_split,
)
from waybill_jobs.dataflow.sinks import write_sink
from waybill_jobs.dataflow.sources import run_source
from waybill_jobs.io import read_text
from waybill_jobs.results import TableResult
from waybill_jobs.session import sibling_session

#: As ADF: what cannot be converted is NULL, patterns are Java's SimpleDateFormat, column names differ by case.
SETTINGS = {
    "spark.sql.ansi.enabled": "false",
    "spark.sql.caseSensitive": "true",
    "spark.sql.legacy.timeParserPolicy": "LEGACY",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # A text of the script may hold ${…}.
    "spark.sql.variable.substitute": "false",
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
    "spark.sql.legacy.allowUntypedScalaUDF": "false",
}

_ONE = {
    "filter": run_filter,
    "select": run_select,
    "derive": run_derive,
    "cast": run_cast,
    "alterrow": run_alter_row,
    "keygenerate": run_key,
    "sort": run_sort,
    "aggregate": run_aggregate,
    "window": run_window,
    "rank": run_rank,
    "pivot": run_pivot,
    "unpivot": run_unpivot,
    "folddown": run_fold_down,
}
_TWO = {"join": run_join, "lookup": run_lookup, "exists": run_exists}
TRANSFORMATIONS = ("source", "sink", "split", "union", *_ONE, *_TWO)
_BYTES_PER_FILE = 128 * 1024 * 1024


def dataflow(spark: SparkSession, plan_path: str, run: str) -> tuple[list[TableResult], dict[str, Any]]:
    """Runs the plan at a path, or given as JSON; a repetition replaces what an earlier attempt wrote."""
    text = plan_path if plan_path.lstrip().startswith("{") else read_text(spark, plan_path)
    try:
        plan = json.loads(text)
    except ValueError as error:
        raise Invalid(f"The plan is no JSON: {error}.") from None
    return [_table(name, figures) for name, figures in run_plan(spark, plan).items()], {"run": run}


def _table(name: str, figures: dict[str, Any]) -> TableResult:
    rows = figures.pop("rows")
    return TableResult(name, figures.pop("path", ""), -1, rows, 0, 0, True, figures)


def run_plan(spark: SparkSession, plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Figures by `sink:Name` and `source:Name`."""
    session = sibling_session(spark, SETTINGS)
    program = plan["program"]
    streams: dict[str, Node] = {stream["name"]: stream for stream in program["streams"]}
    wanted = _wanted(streams, plan["sinks"])
    size = sum(_bytes(session, path) for source in plan["sources"].values() for path in source.get("paths") or [])
    files = max(1, min(200, size // _BYTES_PER_FILE))
    session.conf.set("spark.sql.shuffle.partitions", str(max(2, files * 2)))
    scope = Scope(session, Frame(session.range(0), ()), plan.get("now", "1970-01-01T00:00:00Z"))
    scope = scope.within(parameters=_parameters(program, plan.get("parameters") or {}, scope))
    readers = Counter(i["stream"] for name in wanted for i in streams[name]["inputs"])
    done: dict[str, Frame] = {}
    kept: list[Frame] = []
    figures: dict[str, dict[str, Any]] = {}
    try:
        for name in wanted:
            stream = streams[name]
            kind = stream["transformation"].lower()
            if kind == "sink":
                frame = _input(stream["inputs"][0], done)
                figures[f"sink:{name}"] = write_sink(
                    stream, frame, plan["sinks"][name], scope.within(frame=frame), files
                ) | {"path": plan["sinks"][name]["path"]}
                continue
            if kind == "split":
                for branch, frame in run_split(stream, *_one(stream, done, scope)).items():
                    done[f"{name}@{branch}"] = frame
                continue
            frame = _transformed(stream, kind, done, plan, scope).passed(name)
            # Read by several streams: computed once, and the same for each, also where it is random.
            reads = sum(
                readers[s] if streams[s]["transformation"] == "split" else 1
                for s in wanted
                for i in streams[s]["inputs"]
                if i["stream"] == name
            )
            if reads > 1 and kind not in ("source", "select"):
                frame.data.persist()
                kept.append(frame)
            done[name] = frame
        for name, source in plan["sources"].items():
            if name in done:
                figures[f"source:{name}"] = {"kind": "source", "rows": done[name].data.count()}
    finally:
        for frame in kept:
            frame.data.unpersist()
    return figures


def _wanted(streams: dict[str, Node], sinks: dict[str, Any]) -> list[str]:
    """The streams that a sink needs, each after its inputs. Sinks come in the order of the plan."""
    order: list[str] = []
    ahead: set[str] = set()
    stack = [(name, False) for name in reversed(list(sinks))]
    while stack:
        name, ready = stack.pop()
        if name not in streams:
            raise Invalid(f"The stream '{name}' is not in the program.")
        if ready:
            order.append(name)
            ahead.discard(name)
            continue
        if name in ahead:
            raise Invalid(f"The stream '{name}' feeds itself.")
        if name in order:
            continue
        ahead.add(name)
        stack.append((name, True))
        stack += [(i["stream"], False) for i in reversed(streams[name]["inputs"]) if i["stream"] not in order]
    return order


def _input(place: Node, done: dict[str, Frame]) -> Frame:
    key = f"{place['stream']}@{place['output']}" if place.get("output") else place["stream"]
    if key not in done:
        raise Invalid(f"The stream '{key}' is not there.")
    return done[key]


def _one(stream: Node, done: dict[str, Frame], scope: Scope) -> tuple[Frame, Scope]:
    frame = _input(stream["inputs"][0], done)
    return frame, scope.within(frame=frame)


def _transformed(stream: Node, kind: str, done: dict[str, Frame], plan: dict[str, Any], scope: Scope) -> Frame:
    if kind == "source":
        if stream["name"] not in plan["sources"]:
            raise Invalid(f"The plan has no source '{stream['name']}'.")
        return run_source(stream, plan["sources"][stream["name"]], scope)
    if kind == "union":
        return run_union(stream, [_input(place, done) for place in stream["inputs"]], scope)
    if kind in _TWO:
        left, right = (_input(place, done) for place in stream["inputs"][:2])
        return _TWO[kind](stream, left, right, scope)
    if kind in _ONE:
        return _ONE[kind](stream, *_one(stream, done, scope))
    raise Unsupported("transformation", stream["transformation"])


def _parameters(program: Node, given: dict[str, Any], scope: Scope) -> dict[str, str]:
    """Each parameter as SQL of its type: the plan's value, else the default's expression."""
    found: dict[str, str] = {}
    for parameter in program.get("parameters") or []:
        name = parameter["name"]
        kind = spark_type({"as": parameter["type"].removesuffix("[]"), "array": parameter["type"].endswith("[]")})
        if name in given:
            found[name] = _value(given[name], kind)
        elif parameter.get("default") is not None:
            sql = compiled(parameter["default"], scope.within(parameters=dict(found)))
            found[name] = f"cast({sql} as {kind})"
        else:
            raise Invalid(f"The parameter '{name}' has neither a value nor a default.")
    return found


def _value(value: Any, kind: str) -> str:
    if value is None:
        return f"cast(null as {kind})"
    if isinstance(value, list):
        return f"cast(array({', '.join(_value(one, 'string') for one in value)}) as {kind})"
    text = json.dumps(value) if isinstance(value, dict | bool) else str(value)
    return f"cast({quoted(text)} as {kind})"


def _bytes(spark: SparkSession, path: str) -> int:
    jvm: Any = spark._jvm
    place = jvm.org.apache.hadoop.fs.Path(path)
    system = place.getFileSystem(spark._jsc.hadoopConfiguration())
    return int(system.getContentSummary(place).getLength()) if system.exists(place) else 0
