"""Writes what a sink gets: `insert/`, and `change/` where alterRow marked rows, as Parquet."""

from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from waybill_jobs.dataflow.expressions import Scope
from waybill_jobs.dataflow.frame import Frame
from waybill_jobs.dataflow.kinds import Node, identifier, is_complex
from waybill_jobs.dataflow.options import option, part, yes
from waybill_jobs.dataflow.rules import Mapped, mapping
from waybill_jobs.io import delete

ROW = "__waybill_row"
_ACTIONS = {
    "I": ("insert", "inserts"),
    "U": ("update", "updates"),
    "D": ("delete", "deletes"),
    "S": ("upsert", "upserts"),
}


def _columns(stream: Node, frame: Frame, scope: Scope, table: bool) -> list[Mapped]:
    nodes = part(stream, "mapColumn")
    if nodes is None:
        named = _last_in_any_case(frame) if table else _first_by_name(frame)
        return [(c.name, c.physical, c.streams) for c in named]
    skips = (yes(option(stream, "skipDuplicateMapInputs")), yes(option(stream, "skipDuplicateMapOutputs")))
    return mapping(nodes, scope, *skips)


def _first_by_name(frame: Frame) -> list[Any]:
    seen: set[str] = set()
    return [c for c in frame.columns if not (c.name in seen or seen.add(c.name))]  # type: ignore[func-returns-value]


def _last_in_any_case(frame: Frame) -> list[Any]:
    """A table has one column for GENDER, which was read, and gender, which was derived of it: the latter is meant."""
    by_name: dict[str, Any] = {}
    for column in _first_by_name(frame):
        by_name[column.name.casefold()] = column
    return list(by_name.values())


def _plain(sql: str, kind: T.DataType) -> str:
    if is_complex(kind):
        return f"to_json({sql})"
    if isinstance(kind, T.NullType | T.DayTimeIntervalType | T.YearMonthIntervalType):
        return f"cast({sql} as string)"
    return sql


def write_sink(stream: Node, frame: Frame, plan: dict[str, Any], scope: Scope, files: int) -> dict[str, Any]:
    """Writes the folders anew; returns the figures, read back from the files' own footers."""
    mapped = _columns(stream, frame, scope, plan.get("table") is True)
    texts = [f"{_plain(sql, scope.kind(sql))} AS {identifier(name)}" for name, sql, _ in mapped]
    kinds = [scope.kind(_plain(sql, scope.kind(sql))).simpleString() for _, sql, _ in mapped]
    path = plan["path"].rstrip("/")
    allow = plan.get("allow") or {}
    counts = {"inserts": 0, "updates": 0, "upserts": 0, "deletes": 0}
    rows = frame.data
    if frame.marker:
        allowed = [f"'{letter}'" for letter, (action, _) in _ACTIONS.items() if allow.get(action, action == "insert")]
        rows = rows.filter(f"{frame.marker} IN ({', '.join(allowed)})" if allowed else "false")
        rows.persist()
    inserts = rows.filter(f"{frame.marker} = 'I'") if frame.marker else rows
    _write(scope.spark, inserts.selectExpr(*texts), f"{path}/insert", files)
    counts["inserts"] = scope.spark.read.parquet(f"{path}/insert").count()
    delete(scope.spark, f"{path}/change")
    if frame.marker:
        changes = rows.filter(f"{frame.marker} <> 'I'").selectExpr(*texts, f"{frame.marker} AS {ROW}")
        _write(scope.spark, changes, f"{path}/change", files)
        for row in scope.spark.read.parquet(f"{path}/change").groupBy(ROW).count().collect():
            counts[_ACTIONS[row[ROW]][1]] = row["count"]
        rows.unpersist()
    columns = [{"name": name, "type": kind} for (name, _, _), kind in zip(mapped, kinds, strict=True)]
    return {"rows": sum(counts.values()), **counts, "columns": columns}


def _write(spark: SparkSession, data: DataFrame, path: str, files: int) -> None:
    """`files` is how many; a frame without rows still gives one file with the schema."""
    data.coalesce(files).write.mode("overwrite").parquet(path)
