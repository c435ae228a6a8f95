"""Functions over arrays that take an expression: map, filter, find, contains, mapIndex, mapIf, reduce, sort."""

from pyspark.sql import types as T

from waybill_jobs.dataflow.expressions import Scope, compiled
from waybill_jobs.dataflow.faults import Invalid
from waybill_jobs.dataflow.frame import fresh
from waybill_jobs.dataflow.kinds import Node


def over_array(name: str, arguments: list[Node], scope: Scope) -> str:
    array = compiled(arguments[0], scope)
    kind = scope.kind(array)
    if not isinstance(kind, T.ArrayType):
        raise Invalid(f"{name}() needs an array, not {kind.simpleString()}.")
    element = kind.elementType.simpleString()
    item, other = fresh(), fresh()

    def body(node: Node, **names: tuple[str, str]) -> str:
        return compiled(node, scope.within(items=scope.items | names))

    second = arguments[1]
    match name:
        case "map":
            return f"transform({array}, {item} -> {body(second, item=(item, element))})"
        case "mapindex":
            inner = body(second, item=(item, element), index=(other, "int"))
            return f"transform({array}, ({item}, {other}0) -> {inner.replace(other, f'({other}0 + 1)')})"
        case "filter":
            return f"filter({array}, {item} -> {body(second, item=(item, element))})"
        case "mapif":
            kept = f"filter({array}, {item} -> {body(second, item=(item, element))})"
            return f"transform({kept}, {other} -> {body(arguments[2], item=(other, element))})"
        case "find":
            return f"try_element_at(filter({array}, {item} -> {body(second, item=(item, element))}), 1)"
        case "contains":
            return f"exists({array}, {item} -> {body(second, item=(item, element))})"
        case "sort":
            return f"array_sort({array}, ({item}, {other}) -> {body(second, item1=(item, element), item2=(other, element))})"
    start = compiled(second, scope)
    total = scope.kind(start).simpleString()
    step = body(arguments[2], acc=(other, total), item=(item, element))
    sql = f"aggregate({array}, {start}, ({other}, {item}) -> cast({step} as {total})"
    if len(arguments) > 3:
        end = fresh()
        sql += f", {end} -> {body(arguments[3], result=(end, total), acc=(end, total))}"
    return sql + ")"
