"""Transformations over groups of rows: aggregate, window, rank, pivot, unpivot, foldDown."""

from pyspark.sql import functions as F

from waybill_jobs.dataflow.expressions import Scope, compiled, find_column
from waybill_jobs.dataflow.faults import Invalid
from waybill_jobs.dataflow.frame import Frame, frame_of, fresh, selected
from waybill_jobs.dataflow.kinds import Node, identifier, quoted, spark_type
from waybill_jobs.dataflow.options import expressions, option, part, yes
from waybill_jobs.dataflow.rows import orders, with_columns
from waybill_jobs.dataflow.rules import Mapped, assignments, mapping

_PARTS = ("groupby", "pivotby", "over", "asc", "desc")


def _body(stream: Node) -> list[Node]:
    return [n for n in expressions(stream) if not (n["type"] == "call" and n["name"].lower() in _PARTS)]


def _grouped(stream: Node, name: str, scope: Scope) -> list[Mapped]:
    found: list[Mapped] = []
    for node in part(stream, name) or []:
        if node["type"] == "assign":
            found.append((node["target"]["name"], compiled(node["value"], scope), frozenset()))
        elif node["type"] == "call" and node["name"].lower() == "each":
            found += assignments([node], scope)[0]
        else:
            column = find_column(node, scope) if node["type"] == "column" else None
            name_of = str(node.get("name", "value"))
            found.append((name_of, compiled(node, scope), column.streams if column else frozenset()))
    return found


def run_aggregate(stream: Node, frame: Frame, scope: Scope) -> Frame:
    groups = _grouped(stream, "groupBy", scope)
    values, _ = assignments(_body(stream), scope)
    names = {name for name, _, _ in groups}
    texts = [f"{sql} AS {identifier(fresh())}" for _, sql, _ in groups]
    physical = [text.rsplit("`", 2)[1] for text in texts]
    kept = [one for one in values if one[0] not in names]
    chosen = [(name, sql, fresh()) for name, sql, _ in kept]
    columns = [F.expr(sql).alias(alias) for _, sql, alias in chosen]
    keys = [F.expr(sql).alias(alias) for (_, sql, _), alias in zip(groups, physical, strict=True)]
    data = frame.data.groupBy(*keys).agg(*columns) if columns else frame.data.select(*keys).distinct()
    data = data.select(*physical, *[alias for _, _, alias in chosen])
    result = frame_of(data.toDF(*[f"{i}" for i in range(len(data.columns))]))
    from dataclasses import replace

    labels = [(n, s) for n, _, s in groups] + [(n, frozenset()) for n, _, _ in chosen]
    named = tuple(replace(c, name=n, streams=s) for c, (n, s) in zip(result.columns, labels, strict=True))
    return replace(result, columns=named)


def _frame_bounds(stream: Node, scope: Scope) -> str:
    for unit, first, last in (
        ("ROWS", "startRowOffset", "endRowOffset"),
        ("RANGE", "startRangeOffset", "endRangeOffset"),
    ):
        start, end = option(stream, first), option(stream, last)
        if start is not None or end is not None:
            return f" {unit} BETWEEN {_bound(start, 'PRECEDING', scope)} AND {_bound(end, 'FOLLOWING', scope)}"
    return ""


def _bound(value: object, open_end: str, scope: Scope) -> str:
    if value is None:
        return f"UNBOUNDED {open_end}"
    number = int(str(scope.constant(value) if isinstance(value, dict) else value))
    if number == 0:
        return "CURRENT ROW"
    return f"{abs(number)} {'PRECEDING' if number < 0 else 'FOLLOWING'}"


def run_window(stream: Node, frame: Frame, scope: Scope) -> Frame:
    over = [sql for _, sql, _ in _grouped(stream, "over", scope)]
    order = orders(stream, scope)
    split = f"PARTITION BY {', '.join(over)}" if over else ""
    sorting = f" ORDER BY {', '.join(order)}" if order else ""
    ranked = sorting or " ORDER BY 1"
    inside = scope.within(
        window=f" OVER ({split}{sorting}{_frame_bounds(stream, scope)})", order=f" OVER ({split}{ranked})"
    )
    columns, _ = assignments(_body(stream), inside)
    return with_columns(frame, columns, scope)


def run_rank(stream: Node, frame: Frame, scope: Scope) -> Frame:
    typed = (part(stream, "output") or [])[0]
    terms = orders(stream, scope, yes(option(stream, "caseInsensitive")))
    name = "dense_rank" if yes(option(stream, "dense")) else "rank"
    sql = f"cast({name}() OVER (ORDER BY {', '.join(terms)}) as {spark_type(typed)})"
    return with_columns(frame, [(typed["name"], sql, frozenset())], scope)


def run_pivot(stream: Node, frame: Frame, scope: Scope) -> Frame:
    """A column for each pivot value and aggregate; without listed values, those that the data has."""
    groups = _grouped(stream, "groupBy", scope)
    by = part(stream, "pivotBy") or []
    if not by:
        raise Invalid("pivot has no pivotBy(…).")
    key = compiled(by[0], scope)
    listed = scope.constant(by[1]) if len(by) > 1 and by[1]["type"] == "list" else None
    if listed is None:
        rows = frame.data.selectExpr(f"{key} AS v").distinct().orderBy("v").limit(10_000).collect()
        listed = [row["v"] for row in rows if row["v"] is not None]
    body = [n if n["type"] == "assign" else _unnamed(n) for n in _body(stream)]
    values, _ = assignments(body, scope)
    ids = [fresh() for _ in groups]
    pivot, aliases = fresh(), [fresh() for _ in values]
    texts = [f"{sql} AS {name}" for (_, sql, _), name in zip(groups, ids, strict=True)]
    data = frame.data.selectExpr("*", *texts, f"cast({key} as string) AS {pivot}")
    grouped = data.groupBy(*ids).pivot(pivot, [str(value) for value in listed])
    wide = grouped.agg(*[F.expr(sql).alias(alias) for (_, sql, _), alias in zip(values, aliases, strict=True)])
    names = [name for name, _, _ in groups]
    template = str(option(stream, "columnNaming") or "$N$V")
    for value in listed:
        for name, _, _ in values:
            names.append(template.replace("$N", name).replace("$V", str(value)))
    return frame_of(wide.toDF(*names))


def _unnamed(node: Node) -> Node:
    return {"type": "assign", "target": {"type": "column", "name": ""}, "value": node}


def run_unpivot(stream: Node, frame: Frame, scope: Scope) -> Frame:
    """A row for each column that is not in ungroupBy(…): its name and its value."""
    outputs = part(stream, "output") or []
    kept = [find_column(node, scope) for node in part(stream, "ungroupBy") or []]
    columns = [c for c in frame.columns if c not in kept]
    key, value = outputs[0], outputs[1]
    pairs = [f"struct({quoted(c.name)} AS k, cast({c.physical} as {spark_type(value)}) AS v)" for c in columns]
    pair = fresh()
    data = frame.data.selectExpr("*", f"explode(array({', '.join(pairs)})) AS {pair}")
    if yes(option(stream, "ignoreNullPivots")):
        data = data.filter(f"{pair}.v IS NOT NULL")
    mapped = [(c.name, c.physical, c.streams) for c in kept if c]
    mapped.append((key["name"], f"cast({pair}.k as {spark_type(key)})", frozenset()))
    mapped.append((value["name"], f"{pair}.v", frozenset()))
    return selected(Frame(data, frame.columns, frame.marker, frame.matched), mapped, scope.spark)


def run_fold_down(stream: Node, frame: Frame, scope: Scope) -> Frame:
    """A row for each element of the array; a row whose array is empty or NULL stays, with NULL."""
    unrolled = (part(stream, "unroll") or [])[0]
    element = fresh()
    data = frame.data.selectExpr("*", f"explode_outer({compiled(unrolled, scope)}) AS {element}")
    wide = Frame(data, frame.columns, frame.marker, frame.matched)
    kinds = {f.name: f.dataType for f in data.schema.fields}
    from waybill_jobs.dataflow.frame import Column

    typed = Frame(data, (*frame.columns, Column(element, element, kinds[element])), frame.marker, frame.matched)
    inside = scope.within(frame=typed, replaced=[(unrolled, element)])
    return selected(wide, mapping(part(stream, "mapColumn") or [], inside, True, True), scope.spark)
