"""Functions that look columns up by name or place, and structures made in place."""

from waybill_jobs.dataflow.expressions import Scope, compiled
from waybill_jobs.dataflow.kinds import Node, identifier, quoted


def by_name(name: str, arguments: list[Node], scope: Scope) -> str | None:
    """The SQL; None where the function is no such one. A column that is not there is NULL."""
    match name:
        case "byname" | "tobyname":
            found = _find(arguments, scope)
            return found or "cast(null as string)"
        case "bynames":
            names = scope.constant(arguments[0])
            columns = [scope.frame.find(str(one)) for one in names]
            return f"array({', '.join(f'cast({c.physical} as string)' for c in columns if c)})"
        case "byposition":
            place = int(scope.constant(arguments[0]))
            inside = 1 <= place <= len(scope.frame.columns)
            return scope.frame.columns[place - 1].physical if inside else "cast(null as string)"
        case "hascolumn":
            return "true" if _find(arguments, scope) else "false"
        case "columnnames" | "getcolumnnames":
            stream = scope.constant(arguments[0]) if arguments else None
            names = [c.name for c in scope.frame.columns if not stream or stream in c.streams]
            return f"array({', '.join(quoted(one) for one in names)})"
        case "columns":
            stream = scope.constant(arguments[0]) if arguments else None
            chosen = [c.physical for c in scope.frame.columns if not stream or stream in c.streams]
            return f"array({', '.join(f'cast({one} as string)' for one in chosen)})"
        case "@":
            parts = [f"{quoted(_label(a))}, {compiled(a['value'], scope)}" for a in arguments if a["type"] == "assign"]
            return f"named_struct({', '.join(parts)})"
        case "?":
            return compiled(arguments[0], scope)
    return None


def _label(assign: Node) -> str:
    return str(assign["target"].get("name", ""))


def _find(arguments: list[Node], scope: Scope) -> str | None:
    wanted = scope.constant(arguments[0])
    stream = str(scope.constant(arguments[1])) if len(arguments) > 1 else None
    found = scope.frame.find(str(wanted), stream)
    return identifier(found.physical) if found else None
