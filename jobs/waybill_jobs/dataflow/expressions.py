"""Compiles expressions of a data flow to Spark SQL, with ADF's meaning of types and NULLs."""

from dataclasses import dataclass, field, replace
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import types as T

from waybill_jobs.dataflow.conversions import convert
from waybill_jobs.dataflow.faults import Invalid, Unsupported
from waybill_jobs.dataflow.frame import Column, Frame
from waybill_jobs.dataflow.functions import COMPARISONS, DIGEST_SEPARATOR, TEMPLATES, VARIADIC
from waybill_jobs.dataflow.kinds import (
    Node,
    identifier,
    is_complex,
    is_integral,
    is_moment,
    is_text,
    quoted,
    script_type,
)

_ARITHMETIC = {"+": "+", "add": "+", "-": "-", "minus": "-", "*": "*", "multiply": "*", "/": "/", "divide": "/"}
_HIGHER = ("map", "filter", "find", "contains", "mapindex", "reduce", "sort", "mapif")


@dataclass(frozen=True)
class Scope:
    """Where an expression stands. `items` are the variables of functions over arrays, with their types."""

    spark: SparkSession
    frame: Frame
    now: str
    parameters: dict[str, str] = field(default_factory=dict)
    locals: dict[str, str] = field(default_factory=dict)
    matched: tuple[str, ...] = ()
    rule: dict[str, str] = field(default_factory=dict)
    items: dict[str, tuple[str, str]] = field(default_factory=dict)
    replaced: list[tuple[Node, str]] = field(default_factory=list)
    window: str = ""
    order: str = ""

    def within(self, **changes: Any) -> "Scope":
        return replace(self, **changes)

    def kind(self, sql: str) -> T.DataType:
        """The type of an expression, asked of an empty frame with the same columns."""
        known: dict[str, T.DataType] = self.frame.cache.setdefault("kinds", {})
        key = f"{sql}\0{list(self.items.values())}"
        if key not in known:
            text = sql
            for name, kind in reversed(list(self.items.values())):
                text = f"element_at(transform(array(cast(null as {kind})), {name} -> {text}), 1)"
            known[key] = self.frame.empty(self.spark).selectExpr(f"{text} AS x").schema.fields[0].dataType
        return known[key]

    def constants(self, texts: list[str]) -> list[Any]:
        """Values of expressions that name no column."""
        if not texts:
            return []
        named = [f"{text} AS x{i}" for i, text in enumerate(texts)]
        row = self.spark.sql(f"SELECT {', '.join(named)}").collect()[0]
        return list(row)

    def constant(self, node: Node) -> Any:
        if node["type"] == "literal":
            return node["value"]
        if node["type"] == "list":
            return [self.constant(item) for item in node["items"]]
        return self.constants([compiled(node, self)])[0]


def compiled(node: Node, scope: Scope) -> str:
    """The SQL of an expression. Raises Unsupported for a function, Invalid for a name that is not there."""
    for original, sql in scope.replaced:
        if node == original:
            return sql
    match node["type"]:
        case "literal":
            return _literal(node)
        case "column":
            return _column(node, scope)
        case "matched":
            index = node.get("index") or 0
            if index >= len(scope.matched):
                raise Invalid("$$ stands where no column was matched.")
            return scope.matched[index]
        case "item":
            return _item(node, scope)
        case "parameter":
            if node["name"] not in scope.parameters:
                raise Invalid(f"The parameter ${node['name']} is not declared.")
            return scope.parameters[node["name"]]
        case "local":
            if node["name"] not in scope.locals:
                raise Invalid(f"The local :{node['name']} is not defined.")
            return scope.locals[node["name"]]
        case "list":
            return f"array({', '.join(compiled(item, scope) for item in node['items'])})"
        case "index":
            of, index = compiled(node["of"], scope), compiled(node["index"], scope)
            return f"try_element_at({of}, {index})"
        case "member":
            return f"{compiled(node['of'], scope)}.{identifier(node['name'])}"
        case "interpolation":
            parts = [as_text(compiled(part, scope), scope) for part in node["parts"]]
            return f"concat({', '.join(parts)})"
        case "call":
            return _call(node["name"], node["arguments"], scope)
    raise Unsupported("expression", str(node["type"]))


def as_text(sql: str, scope: Scope) -> str:
    """Text of a value: JSON of a complex one."""
    kind = scope.kind(sql)
    if is_text(kind):
        return sql
    return f"to_json({sql})" if is_complex(kind) else f"cast({sql} as string)"


def _literal(node: Node) -> str:
    value, kind = node["value"], node["kind"]
    if value is None or kind == "null":
        return "null"
    if kind == "boolean":
        return "true" if value in (True, "true") else "false"
    if kind == "string":
        return quoted(str(value))
    suffix = {"long": "L", "short": "S", "float": "F", "double": "D", "decimal": "BD"}.get(kind, "")
    text = str(value)
    return f"{text}{suffix}" if not text.startswith("-") else f"(- {text[1:]}{suffix})"


def _column(node: Node, scope: Scope) -> str:
    name = node["name"]
    if scope.rule and node.get("stream") is None and name in scope.rule:
        return scope.rule[name]
    found = find_column(node, scope)
    if found is None:
        where = f"{node['stream']}@" if node.get("stream") else ""
        raise Invalid(f"The column '{where}{name}' is not in the stream; it has {_some(scope.frame)}.")
    return found.physical


def find_column(node: Node, scope: Scope) -> Column | None:
    stream = node.get("stream")
    if stream is None:
        return scope.frame.find(node["name"])
    place = f"{stream}@{node['output']}" if node.get("output") else stream
    return scope.frame.find(node["name"], place)


def _some(frame: Frame) -> str:
    names = [column.name for column in frame.columns]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _item(node: Node, scope: Scope) -> str:
    name = f"item{node['index']}" if node["name"] == "item" and node.get("index") else node["name"]
    for key in (name, node["name"]):
        if key in scope.items:
            return scope.items[key][0]
    raise Invalid(f"#{name} stands outside of a function over an array.")


def _arithmetic(sign: str, left: str, right: str, scope: Scope) -> str:
    one, two = scope.kind(left), scope.kind(right)
    if sign == "+" and (is_text(one) or is_text(two)):
        return f"concat({as_text(left, scope)}, {as_text(right, scope)})"
    if sign in "+-" and is_moment(one):
        if is_moment(two):
            return f"(unix_millis({left}) - unix_millis({right}))"
        change = f"{'-' if sign == '-' else ''}({right})"
        return f"timestamp_micros(unix_micros({left}) + 1000 * cast({change} as bigint))"
    if sign in "+-" and isinstance(one, T.DateType):
        if isinstance(two, T.DateType):
            return f"datediff({left}, {right})"
        return f"{'date_add' if sign == '+' else 'date_sub'}({left}, cast({right} as int))"
    # Whole numbers divide to a whole number.
    sign = "div" if sign == "/" and is_integral(one) and is_integral(two) else sign
    return f"({left} {sign} {right})"


def _same(sign: str, left: str, right: str) -> str:
    return f"({left} {sign} {right})"


def _call(written: str, arguments: list[Node], scope: Scope) -> str:
    name = written.lower()
    if name in _HIGHER and len(arguments) > 1:
        from waybill_jobs.dataflow.higher_order import over_array

        return over_array(name, arguments, scope)
    from waybill_jobs.dataflow.names import by_name

    if (sql := by_name(name, arguments, scope)) is not None:
        return sql
    args = [compiled(argument, scope) for argument in arguments]
    if name in _ARITHMETIC and len(args) == 2:
        return _arithmetic(_ARITHMETIC[name], args[0], args[1], scope)
    if name in ("%", "mod") and len(args) == 2:
        return f"({args[0]} % {args[1]})"
    if name == "**":
        return f"power({args[0]}, {args[1]})"
    if name in COMPARISONS and len(args) == 2:
        return _same(COMPARISONS[name], args[0], args[1])
    if name in ("&&", "||") and len(args) == 2:
        return f"({args[0]} {'AND' if name == '&&' else 'OR'} {args[1]})"
    if name in ("!", "neg"):
        return f"({'NOT' if name == '!' else '-'} {args[0]})"
    if name in ("&", "|", "^") and len(args) == 2:
        return f"({args[0]} {name} {args[1]})"
    if (sql := convert(name, args, arguments, scope)) is not None:
        return sql
    if name in ("concat", "concatws"):
        args = [as_text(arg, scope) if not isinstance(scope.kind(arg), T.ArrayType) else arg for arg in args]
    if name == "substring" and len(args) == 3:
        args[0] = as_text(args[0], scope)
    if (sql := _typed(name, args, scope)) is not None:
        return sql
    if name in VARIADIC:
        before, between, after = VARIADIC[name]
        if name in ("greatest", "least") and len(args) == 1:
            return args[0]
        return before + between.join(args) + after
    if name in TEMPLATES:
        least, forms = TEMPLATES[name]
        if not least <= len(args) < least + len(forms):
            raise Invalid(f"{written}() takes {least} to {least + len(forms) - 1} arguments, not {len(args)}.")
        sql = forms[len(args) - least]
        for i, arg in enumerate(args):
            sql = sql.replace("{%d}" % i, f"\0{i}\0")
        for i, arg in enumerate(args):
            sql = sql.replace(f"\0{i}\0", arg)
        return sql.replace("{w}", scope.window).replace("{r}", scope.order)
    raise Unsupported("function", written)


def _digest(name: str, args: list[str], scope: Scope) -> str:
    bits = args.pop(0) if name in ("sha2", "crc32") and len(args) > 1 else "256"
    texts = [as_text(arg, scope) for arg in args]
    joined = (
        texts[0]
        if len(texts) == 1
        else f"concat_ws('{DIGEST_SEPARATOR}', {', '.join(f'coalesce({t}, {chr(39) * 2})' for t in texts)})"
    )
    if name == "sha2":
        return f"sha2(cast({joined} as binary), {bits})"
    return f"{name}(cast({joined} as binary))"


def _typed(name: str, args: list[str], scope: Scope) -> str | None:
    """Functions whose SQL depends on more than the number of their arguments."""
    match name:
        case "md5" | "sha1" | "sha2" | "crc32":
            return _digest(name, args, scope)
        case "case":
            pairs = [f"WHEN {args[i]} THEN {args[i + 1]}" for i in range(0, len(args) - 1, 2)]
            other = f" ELSE {args[-1]}" if len(args) % 2 else ""
            return f"CASE {' '.join(pairs)}{other} END"
        case "count":
            return f"count({args[0] if args else 1}){scope.window}"
        case "countdistinct" | "countalldistinct":
            return f"count(DISTINCT {', '.join(args)}){scope.window}"
        case "isdistinct":
            return f"(count(DISTINCT {', '.join(args)}){scope.window} = count(1){scope.window})"
        case "adddays" | "subdays":
            sign = "-" if name.startswith("sub") else ""
            if is_moment(scope.kind(args[0])):
                return f"({args[0]} + make_dt_interval({sign}({args[1]})))"
            return f"date_add({args[0]}, {sign}({args[1]}))"
        case "addmonths" | "submonths":
            sign = "-" if name.startswith("sub") else ""
            if is_moment(scope.kind(args[0])):
                return f"({args[0]} + make_ym_interval(0, {sign}({args[1]})))"
            return f"add_months({args[0]}, {sign}({args[1]}))"
        case "currenttimestamp" | "currentutc":
            now = f"timestamp'{scope.now}'"
            return f"from_utc_timestamp({now}, {args[0]})" if args else now
        case "currentdate":
            now = f"timestamp'{scope.now}'"
            return f"cast({f'from_utc_timestamp({now}, {args[0]})' if args else now} as date)"
        case "min" | "max" if len(args) == 2:
            return f"{'least' if name == 'min' else 'greatest'}({args[0]}, {args[1]})"
        case "type":
            return quoted(script_type(scope.kind(args[0])))
        case "typematch":
            kinds = {"integral": T.IntegralType, "fractional": T.FractionalType, "number": T.NumericType}
            wanted, kind = scope.constants([args[1]])[0], scope.kind(args[0])
            found = isinstance(kind, kinds[wanted]) if wanted in kinds else script_type(kind).startswith(str(wanted))
            return str(found).lower()
        case "ismatch":
            if scope.frame.matched is None:
                raise Invalid("isMatch() stands where no lookup went before.")
            return f"coalesce({scope.frame.matched}, false)"
        case "isinsert" | "isupdate" | "isdelete" | "isupsert" | "isignore":
            letter = {"isinsert": "I", "isupdate": "U", "isdelete": "D", "isupsert": "S", "isignore": "-"}[name]
            if scope.frame.marker is None:
                return "true" if letter == "I" else "false"
            return f"({scope.frame.marker} = '{letter}')"
        case "associate" | "mapassociation" if name == "associate":
            return f"map({', '.join(args)})"
        case "@":
            return None
    return None
