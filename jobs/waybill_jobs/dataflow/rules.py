"""Column mappings: `new = old`, `each(match(…), …)` and plain names, as (name, SQL, streams)."""

import re

from waybill_jobs.dataflow.expressions import Scope, compiled, find_column
from waybill_jobs.dataflow.faults import Invalid, Unsupported
from waybill_jobs.dataflow.frame import Column
from waybill_jobs.dataflow.kinds import Node, quoted, script_type

Mapped = tuple[str, str, frozenset[str]]
_PATTERNS = ("match", "patternmatch")


def assignments(nodes: list[Node], scope: Scope) -> tuple[list[Mapped], Scope]:
    """Names and SQL of a derive's or an aggregate's columns; the scope comes back with the locals."""
    found: list[Mapped] = []
    for node in nodes:
        if node["type"] == "assign":
            target = node["target"]
            if target["type"] == "local":
                value = compiled(node["value"], scope)
                scope = scope.within(locals=scope.locals | {target["name"]: value})
                continue
            found.append((target_name(target, scope), compiled(node["value"], scope), frozenset()))
        elif node["type"] == "call" and node["name"].lower() == "each":
            found += each(node["arguments"], scope)
        elif node["type"] == "column":
            found.append((node["name"], compiled(node, scope), frozenset()))
    return found, scope


def target_name(target: Node, scope: Scope) -> str:
    """What an assignment's left side names: a column's name, or an expression of one."""
    if target["type"] == "column":
        return str(target["name"])
    return str(scope.constant(target))


def each(arguments: list[Node], scope: Scope) -> list[Mapped]:
    """Every column that the rule matches, by the assignments that follow it; as it is where none does."""
    rule, body = arguments[0], arguments[1:]
    if rule["type"] != "call" or rule["name"].lower() not in _PATTERNS:
        return _each_of_structure(rule)
    condition = rule["arguments"][0]
    if rule["name"].lower() == "patternmatch":
        condition = _found_in_name(condition, body)
    columns = matching(condition, scope)
    if not body:
        return [(column.name, column.physical, column.streams) for column in columns]
    found: list[Mapped] = []
    for column in columns:
        inside = scope.within(matched=(column.physical,))
        named = scope.within(matched=(quoted(column.name),))
        for one in body:
            if one["type"] == "assign":
                name = target_name(one["target"], named)
                value = one["value"]
                found.append(
                    (name, compiled(value, inside), column.streams if value["type"] == "matched" else frozenset())
                )
            else:
                name = target_name(one, named)
                found.append((name, column.physical, column.streams))
    return found


def _found_in_name(pattern: Node, body: list[Node]) -> Node:
    """patternMatch(`…`): the pattern is found anywhere in the name."""
    if any(_has_group(one) for one in body):
        raise Unsupported("column rule", "each(patternMatch(…), …) with groups of the pattern in a name")
    name: Node = {"type": "column", "name": "name", "stream": None, "output": None}
    return {"type": "call", "name": "regexMatch", "arguments": [name, pattern], "line": pattern.get("line", 0)}


def _has_group(node: Node) -> bool:
    """Whether a name to be given holds $1 or the like."""
    target = node["target"] if node["type"] == "assign" else node
    texts = target["arguments"] if target["type"] == "call" else [target]
    return any(isinstance(one.get("value"), str) and re.search(r"\$\d", one["value"]) is not None for one in texts)


def _each_of_structure(rule: Node) -> list[Mapped]:
    raise Unsupported("column rule", f"each({rule.get('name', rule['type'])}, …)")


def matching(condition: Node, scope: Scope) -> list[Column]:
    """The columns for which a condition over name, type, position, stream and origin holds."""
    texts = []
    for i, column in enumerate(scope.frame.columns):
        streams = sorted(column.streams)
        rule = {
            "name": quoted(column.name),
            "type": quoted(script_type(column.kind)),
            "position": str(i + 1),
            "stream": quoted(streams[-1] if streams else ""),
            "origin": quoted(streams[0] if streams else ""),
        }
        texts.append(f"coalesce({compiled(condition, scope.within(rule=rule, matched=(quoted(column.name),)))}, false)")
    kept = scope.constants(texts)
    return [column for column, keep in zip(scope.frame.columns, kept, strict=True) if keep]


def mapping(nodes: list[Node], scope: Scope, skip_inputs: bool, skip_outputs: bool) -> list[Mapped]:
    """The columns of a `mapColumn(…)`. With `skip_inputs` a column mapped twice, with `skip_outputs` a name taken twice,
    counts once, the first time."""
    found: list[Mapped] = []
    for node in nodes:
        found += _mapped(node, scope)
    kept: list[Mapped] = []
    names: set[str] = set()
    for one in found:
        if one[0] in names:
            if not skip_outputs:
                raise Invalid(f"The mapping names the column '{one[0]}' twice.")
            continue
        names.add(one[0])
        kept.append(one)
    return kept


def _mapped(node: Node, scope: Scope) -> list[Mapped]:
    if node["type"] == "call" and node["name"].lower() == "each":
        return each(node["arguments"], scope)
    if node["type"] == "assign":
        return [(target_name(node["target"], scope), compiled(node["value"], scope), _streams(node["value"], scope))]
    name = node.get("name") or "value"
    return [(str(name), compiled(node, scope), _streams(node, scope))]


def _streams(node: Node, scope: Scope) -> frozenset[str]:
    found = find_column(node, scope) if node["type"] == "column" else None
    return found.streams if found else frozenset()
