"""Arguments of a transformation by name."""

from typing import Any

from waybill_jobs.dataflow.kinds import Node


def option(stream: Node, key: str, default: Any = None) -> Any:
    """The literal value of `key: value`; lists as lists; the node itself where it is an expression."""
    for argument in stream["arguments"]:
        if argument["type"] == "entry" and argument["key"].lower() == key.lower():
            return _plain(argument["value"])
    return default


def _plain(node: Node) -> Any:
    if node["type"] == "literal":
        return node["value"]
    if node["type"] == "list":
        return [_plain(item) for item in node["items"]]
    if node["type"] == "call" and node["name"].lower() in ("true", "false") and not node["arguments"]:
        return node["name"].lower() == "true"
    return node


def part(stream: Node, name: str) -> list[Node] | None:
    """The arguments of `name(…)` among the transformation's."""
    for argument in stream["arguments"]:
        if argument["type"] == "call" and argument["name"].lower() == name.lower():
            arguments: list[Node] = argument["arguments"]
            return arguments
    return None


def parts(stream: Node, *names: str) -> list[Node]:
    """All `name(…)` of these names, in order."""
    wanted = {name.lower() for name in names}
    return [a for a in stream["arguments"] if a["type"] == "call" and a["name"].lower() in wanted]


def expressions(stream: Node) -> list[Node]:
    """Arguments that are neither an option nor `partitionBy(…)`."""
    return [
        a
        for a in stream["arguments"]
        if a["type"] != "entry" and not (a["type"] == "call" and a["name"].lower() == "partitionby")
    ]


def yes(value: Any) -> bool:
    return value is True or value == "true"
