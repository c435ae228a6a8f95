"""Transformations of several streams: join, lookup, exists, union."""

from dataclasses import replace

from pyspark.sql import functions as F

from waybill_jobs.dataflow.expressions import Scope, compiled
from waybill_jobs.dataflow.faults import Unsupported
from waybill_jobs.dataflow.frame import Column, Frame, fresh, renewed
from waybill_jobs.dataflow.kinds import Node
from waybill_jobs.dataflow.options import expressions, option, yes
from waybill_jobs.dataflow.rows import orders

_HOW = {"inner": "inner", "left": "left", "right": "right", "outer": "full", "full": "full", "cross": "inner"}


def _pair(left: Frame, right: Frame) -> tuple[Frame, Frame]:
    other = renewed(right)
    both = Frame(left.data, left.columns + other.columns, left.marker, left.matched)
    return both, other


def _typed_scope(both: Frame, left: Frame, right: Frame, scope: Scope) -> Scope:
    return scope.within(frame=Frame(left.data, both.columns, left.marker, left.matched or right.matched))


def _data(frame: Frame, stream: Node) -> "F.DataFrame":  # type: ignore[name-defined]
    return F.broadcast(frame.data) if option(stream, "broadcast") in ("right", "both") else frame.data


def run_join(stream: Node, left: Frame, right: Frame, scope: Scope) -> Frame:
    if option(stream, "matchType", "exact") != "exact":
        raise Unsupported("join option", f"matchType: '{option(stream, 'matchType')}'")
    kind = str(option(stream, "joinType", "inner"))
    if kind not in _HOW:
        raise Unsupported("join type", kind)
    both, other = _pair(left, right)
    scope = _typed_scope(both, left, other, scope)
    terms = [compiled(node, scope) for node in expressions(stream)]
    data = left.data.join(_data(other, stream), F.expr(" AND ".join(terms) or "true"), _HOW[kind])
    return Frame(data, both.columns, left.marker, left.matched or other.matched)


def run_lookup(stream: Node, left: Frame, right: Frame, scope: Scope) -> Frame:
    """Every left row with the right rows that match it, or with one of them where `multiple` is false."""
    both, other = _pair(left, right)
    scope = _typed_scope(both, left, other, scope)
    terms = [compiled(n, scope) for n in expressions(stream) if str(n.get("name")).lower() not in ("asc", "desc")]
    row, seen, place = fresh(), fresh(), fresh()
    data = left.data.withColumn(row, F.monotonically_increasing_id())
    found = _data(other, stream).withColumn(seen, F.lit(True))
    data = data.join(found, F.expr(" AND ".join(terms) or "true"), "left")
    if not yes(option(stream, "multiple", True)):
        order = orders(stream, scope) or ["1"]
        if option(stream, "pickup") == "last" and order != ["1"]:
            order = [_turned(term) for term in order]
        over = f"row_number() OVER (PARTITION BY {row} ORDER BY {', '.join(order)})"
        data = data.withColumn(place, F.expr(over)).filter(f"{place} = 1")
    names = [c.physical for c in both.columns] + ([left.marker] if left.marker else [])
    return Frame(data.select(*names, F.expr(f"coalesce({seen}, false)").alias(seen)), both.columns, left.marker, seen)


def _turned(term: str) -> str:
    sql, way, _, nulls = term.rsplit(" ", 3)
    return f"{sql} {'DESC' if way == 'ASC' else 'ASC'} NULLS {'LAST' if nulls == 'FIRST' else 'FIRST'}"


def run_exists(stream: Node, left: Frame, right: Frame, scope: Scope) -> Frame:
    both, other = _pair(left, right)
    scope = _typed_scope(both, left, other, scope)
    terms = [compiled(node, scope) for node in expressions(stream)]
    how = "left_anti" if yes(option(stream, "negate")) else "left_semi"
    data = left.data.join(other.data, F.expr(" AND ".join(terms) or "true"), how)
    return replace(left, data=data, cache={})


def run_union(stream: Node, frames: list[Frame], scope: Scope) -> Frame:
    """By name: a column that a stream lacks is NULL there. By position: names are those of the first stream."""
    by_name = yes(option(stream, "byName", True))
    columns: list[Column] = []
    if by_name:
        for frame in frames:
            names = {c.name for c in columns}
            columns += [c for c in frame.columns if c.name not in names]
    else:
        columns = list(frames[0].columns)
    chosen = [replace(c, physical=fresh()) for c in columns]
    marker = fresh() if any(frame.marker for frame in frames) else None
    data = None
    for frame in frames:
        texts = []
        for i, column in enumerate(chosen):
            own = next((c for c in frame.columns if c.name == column.name), None) if by_name else None
            if not by_name and i < len(frame.columns):
                own = frame.columns[i]
            texts.append(f"{own.physical if own else 'null'} AS {column.physical}")
        if marker:
            texts.append(f"{frame.marker or chr(39) + 'I' + chr(39)} AS {marker}")
        part = frame.data.selectExpr(*texts)
        data = part if data is None else data.union(part)
    assert data is not None
    kinds = {f.name: f.dataType for f in data.schema.fields}
    return Frame(data, tuple(replace(c, kind=kinds[c.physical]) for c in chosen), marker)
