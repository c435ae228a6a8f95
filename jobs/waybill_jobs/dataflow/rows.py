"""Transformations of one stream: filter, select, derive, cast, alterRow, keyGenerate, sort, split."""

from dataclasses import replace

from waybill_jobs.dataflow.conversions import parsed
from waybill_jobs.dataflow.expressions import Scope, compiled
from waybill_jobs.dataflow.faults import Invalid
from waybill_jobs.dataflow.frame import Frame, fresh, selected
from waybill_jobs.dataflow.kinds import Node, identifier, is_text, quoted, script_type, spark_type
from waybill_jobs.dataflow.options import expressions, option, part, parts, yes
from waybill_jobs.dataflow.rules import Mapped, assignments, mapping, matching

_LETTERS = {"insertif": "I", "updateif": "U", "deleteif": "D", "upsertif": "S"}


def run_filter(stream: Node, frame: Frame, scope: Scope) -> Frame:
    return replace(frame, data=frame.data.filter(compiled(expressions(stream)[0], scope)), cache={})


def run_select(stream: Node, frame: Frame, scope: Scope) -> Frame:
    """Without a mapping it is automatic: all columns as they are, under the select's own name."""
    skips = (yes(option(stream, "skipDuplicateMapInputs")), yes(option(stream, "skipDuplicateMapOutputs")))
    nodes = part(stream, "mapColumn")
    if nodes is not None:
        return selected(frame, mapping(nodes, scope, *skips), scope.spark)
    seen: set[str] = set()
    kept = [c for c in frame.columns if not (skips[1] and c.name in seen) and not seen.add(c.name)]  # type: ignore[func-returns-value]
    return selected(frame, [(c.name, c.physical, c.streams) for c in kept], scope.spark)


def with_columns(frame: Frame, columns: list[Mapped], scope: Scope) -> Frame:
    """The frame with columns set: one of the same name is replaced in place, others come last."""
    places: dict[int, Mapped] = {}
    added: dict[str, Mapped] = {}
    for name, sql, _ in columns:
        column = frame.find(name)
        if column is None or column.name != name:
            added[name] = (name, sql, frozenset())
        else:
            places[frame.columns.index(column)] = (column.name, sql, column.streams)
    kept = [places.get(i, (c.name, c.physical, c.streams)) for i, c in enumerate(frame.columns)]
    return selected(frame, kept + list(added.values()), scope.spark)


def run_derive(stream: Node, frame: Frame, scope: Scope) -> Frame:
    """All columns of a derive see the rows as they came in, and those set earlier in the same derive."""
    waiting: list[Node] = []
    for node in expressions(stream):
        target = node.get("target", {}).get("name") if node["type"] == "assign" else None
        if waiting and (node["type"] == "call" or _names_one(node.get("value", node), _targets(waiting))):
            frame, scope = _derived(waiting, frame, scope)
            waiting = []
        waiting.append(node)
        if target is None:
            frame, scope = _derived(waiting, frame, scope)
            waiting = []
    return _derived(waiting, frame, scope)[0] if waiting else frame


def _derived(nodes: list[Node], frame: Frame, scope: Scope) -> tuple[Frame, Scope]:
    columns, scope = assignments(nodes, scope)
    if columns:
        frame = with_columns(frame, columns, scope)
    # Locals are SQL over the columns as they were: they are compiled anew where the frame changed.
    return frame, scope.within(frame=frame)


def _targets(nodes: list[Node]) -> set[str]:
    return {n["target"]["name"] for n in nodes if n["type"] == "assign" and "name" in n["target"]}


def _names_one(node: object, names: set[str]) -> bool:
    if isinstance(node, list):
        return any(_names_one(one, names) for one in node)
    if not isinstance(node, dict):
        return False
    if node.get("type") in ("column", "local") and node.get("name") in names:
        return True
    return any(_names_one(one, names) for one in node.values())


def cast_to(sql: str, typed: Node, scope: Scope) -> str:
    """A column as `name as type 'format'` says."""
    to = spark_type(typed)
    kind = scope.kind(sql)
    if kind.simpleString() == to:
        return sql
    if to in ("date", "timestamp") and typed.get("format") and is_text(kind):
        return parsed(sql, to, quoted(typed["format"]))
    if to == "string" and typed.get("format") and script_type(kind) in ("date", "timestamp"):
        return f"date_format({sql}, {quoted(typed['format'])})"
    if is_text(kind) and to.startswith(("array<", "struct<", "map<")):
        return f"from_json({sql}, {quoted(to)})"
    if to in ("int", "bigint", "smallint", "tinyint", "double", "float") and is_text(kind):
        return f"cast(trim({sql}) as {to})"
    if (
        to == "string"
        and script_type(kind) in ("complex", "map")
        or to == "string"
        and script_type(kind).endswith("[]")
    ):
        return f"to_json({sql})"
    if script_type(kind) in ("date", "timestamp") and to in ("int", "bigint", "smallint", "double", "float"):
        return f"cast(unix_millis(cast({sql} as timestamp)) as {to})"
    if to == "boolean" and script_type(kind) in ("date", "timestamp"):
        return "cast(null as boolean)"
    if to in ("date", "timestamp") and script_type(kind) in ("boolean", "integer", "long", "short", "double", "float"):
        return f"cast(timestamp_millis(cast({sql} as bigint)) as {to})"
    return f"cast({sql} as {to})"


def run_cast(stream: Node, frame: Frame, scope: Scope) -> Frame:
    columns: list[Mapped] = []
    for node in part(stream, "output") or []:
        if node["type"] != "typed":
            continue
        found = frame.find(node["name"])
        if found is None:
            raise Invalid(f"cast names the column '{node['name']}', which the stream lacks.")
        columns.append((found.name, cast_to(found.physical, node, scope), found.streams))
    for node in parts(stream, "each"):
        rule, typed = node["arguments"][0], node["arguments"][-1]
        for column in matching(rule["arguments"][0], scope):
            if typed["type"] == "typed":
                columns.append((column.name, cast_to(column.physical, typed, scope), column.streams))
    return with_columns(frame, columns, scope)


def run_alter_row(stream: Node, frame: Frame, scope: Scope) -> Frame:
    """Marks each row by the first condition that holds; a row that meets none is an insert."""
    whens = []
    for node in expressions(stream):
        letter = _LETTERS.get(str(node.get("name", "")).lower())
        if letter:
            whens.append(f"WHEN {compiled(node['arguments'][0], scope)} THEN '{letter}'")
    marker = fresh()
    kept = [identifier(c.physical) for c in frame.columns]
    kept += [identifier(frame.matched)] if frame.matched else []
    data = frame.data.selectExpr(
        *kept, f"CASE {' '.join(whens)} ELSE 'I' END AS {marker}" if whens else f"'I' AS {marker}"
    )
    return Frame(data, frame.columns, marker, frame.matched)


def run_key(stream: Node, frame: Frame, scope: Scope) -> Frame:
    typed = (part(stream, "output") or [])[0]
    start, step = (_whole(option(stream, key, 1), scope) for key in ("startAt", "stepValue"))
    sql = f"cast({start} + {step} * (row_number() OVER (ORDER BY monotonically_increasing_id()) - 1) as {spark_type(typed)})"
    return with_columns(frame, [(typed["name"], sql, frozenset())], scope)


def _whole(value: object, scope: Scope) -> int:
    found = scope.constant(value) if isinstance(value, dict) else value
    return int(str(found))


def orders(stream: Node, scope: Scope, fold: bool = False) -> list[str]:
    """`asc(column, nullsFirst)` and `desc(…)` as SQL."""
    found = []
    for node in parts(stream, "asc", "desc"):
        sql = compiled(node["arguments"][0], scope)
        if fold and is_text(scope.kind(sql)):
            sql = f"lower({sql})"
        nulls = node["arguments"][1].get("value") if len(node["arguments"]) > 1 else True
        found.append(f"{sql} {node['name'].upper()} NULLS {'FIRST' if nulls is not False else 'LAST'}")
    return found


def run_sort(stream: Node, frame: Frame, scope: Scope) -> Frame:
    from pyspark.sql import functions as F

    terms = orders(stream, scope, yes(option(stream, "caseInsensitive")))
    keys = [term.rsplit(" ", 3) for term in terms]
    columns = []
    for sql, way, _, nulls in keys:
        column = F.expr(sql)
        chosen = {
            "ASCFIRST": column.asc_nulls_first,
            "ASCLAST": column.asc_nulls_last,
            "DESCFIRST": column.desc_nulls_first,
            "DESCLAST": column.desc_nulls_last,
        }[way + nulls]
        columns.append(chosen())
    return replace(frame, data=frame.data.orderBy(*columns), cache={})


def run_split(stream: Node, frame: Frame, scope: Scope) -> dict[str, Frame]:
    """The branches by name. First match wins, or, disjoint, a row goes to every branch whose condition holds."""
    conditions = [f"coalesce({compiled(node, scope)}, false)" for node in expressions(stream)]
    branches: dict[str, Frame] = {}
    for i, name in enumerate(stream["outputs"]):
        if i < len(conditions):
            before = [] if yes(option(stream, "disjoint")) else [f"NOT {c}" for c in conditions[:i]]
            test = " AND ".join([*before, conditions[i]])
        else:
            test = " AND ".join(f"NOT {c}" for c in conditions) or "true"
        branch = replace(frame, data=frame.data.filter(test), cache={})
        branches[name] = branch.passed(stream["name"]).passed(f"{stream['name']}@{name}")
    return branches
