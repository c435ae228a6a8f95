"""What a `transform` is told to do: a JSON object, read strictly."""

from dataclasses import dataclass, field
from typing import Any

from waybill_jobs.errors import JobError

VIOLATIONS = ("warn", "drop", "fail", "quarantine")
STRATEGIES = ("auto", "broadcast", "aqe", "salt")
JOIN_TYPES = ("inner", "left")
MODES = ("append", "overwrite", "overwritePartitions", "merge", "history")


@dataclass(frozen=True)
class Expectation:
    """A condition in SQL that rows must meet; like a CHECK constraint, one that is undecided (NULL) is met."""

    name: str
    condition: str
    on_violation: str = "warn"


@dataclass(frozen=True)
class Deduplicate:
    """Of rows with the same keys the first by `order_by` stays ("updated_at desc"), then the greatest values."""

    keys: tuple[str, ...]
    order_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Join:
    """A table beside the rows. `broadcast_bytes`: how many bytes of its files may go to every executor."""

    table: str
    on: tuple[str, ...]
    type: str = "left"
    columns: tuple[str, ...] = ()
    strategy: str = "auto"
    broadcast_bytes: int = 64 * 1024 * 1024
    salts: int = 0


@dataclass(frozen=True)
class Target:
    """`keys` for merge and history; `order_by`: of two rows with the same keys the one with the greater value stays."""

    table: str
    mode: str = "append"
    keys: tuple[str, ...] = ()
    order_by: str = ""
    partition_by: tuple[str, ...] = ()
    max_records_per_file: int = 1_000_000
    evolve_schema: bool = False
    properties: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Spec:
    """`source` is a table below the lake; with `only_run` the rows that this run brought there."""

    source: str
    target: Target
    where: str = ""
    only_run: bool = False
    columns: dict[str, str] = field(default_factory=dict)
    expectations: tuple[Expectation, ...] = ()
    quarantine: str = ""
    deduplicate: Deduplicate | None = None
    joins: tuple[Join, ...] = ()
    derive: dict[str, str] = field(default_factory=dict)


def read_spec(value: Any) -> Spec:
    """Raises JobError TRANSFORM_BAD_SPEC with the place of the first fault."""
    top = _Object(value, "")
    expectations = tuple(
        Expectation(one.text("name"), one.text("condition"), one.choice("onViolation", VIOLATIONS, "warn"), *one.done())
        for one in top.objects("expectations")
    )
    joins = tuple(
        Join(
            one.table("table"),
            one.texts("on", required=True),
            one.choice("type", JOIN_TYPES, "left"),
            one.texts("columns"),
            one.choice("strategy", STRATEGIES, "auto"),
            one.count("broadcastBytes", 64 * 1024 * 1024),
            one.count("salts", 0),
            *one.done(),
        )
        for one in top.objects("joins")
    )
    single = top.object("deduplicate")
    deduplicate = None
    if single is not None:
        deduplicate = Deduplicate(single.texts("keys", required=True), single.texts("orderBy"), *single.done())
    where: _Object = top.object("target") or top.fail("target", "is missing")
    target = Target(
        where.table("table"),
        where.choice("mode", MODES, "append"),
        where.texts("keys"),
        where.text("orderBy", ""),
        where.texts("partitionBy"),
        where.count("maxRecordsPerFile", 1_000_000),
        where.flag("evolveSchema"),
        where.map("properties"),
        *where.done(),
    )
    if target.mode in ("merge", "history") and not target.keys:
        where.fail("keys", f"is missing: {target.mode} finds rows by them")
    if target.mode == "history" and len(target.keys) != 1:
        where.fail("keys", "has one column for history")
    if target.mode == "overwritePartitions" and not target.partition_by:
        where.fail("partitionBy", "is missing: overwritePartitions replaces the partitions that the rows have")
    spec = Spec(
        top.table("source"),
        target,
        top.text("where", ""),
        top.flag("onlyRun"),
        top.map("columns"),
        expectations,
        top.table("quarantine", ""),
        deduplicate,
        joins,
        top.map("derive"),
        *top.done(),
    )
    if not spec.quarantine and any(each.on_violation == "quarantine" for each in expectations):
        top.fail("quarantine", "is missing: an expectation sends rows there")
    names = [each.name for each in expectations]
    if len(set(names)) != len(names):
        top.fail("expectations", "has a name twice")
    return spec


class _Object:
    """One JSON object of the spec; `done` refuses the members that nobody asked for."""

    def __init__(self, value: Any, place: str) -> None:
        self._place = place
        if not isinstance(value, dict):
            raise _fault(place, "is not a JSON object")
        self._left = dict(value)

    def fail(self, name: str, why: str) -> Any:
        raise _fault(f"{self._place}/{name}", why)

    def done(self) -> tuple[()]:
        for name in self._left:
            self.fail(name, "is not known here")
        return ()

    def _take(self, name: str, default: Any) -> Any:
        value = self._left.pop(name, default)
        return self.fail(name, "is missing") if value is ... else value

    def text(self, name: str, default: Any = ...) -> str:
        value = self._take(name, default)
        return value if isinstance(value, str) and (value or default == "") else self.fail(name, "is not a text")

    def table(self, name: str, default: Any = ...) -> str:
        value = self.text(name, default)
        parts = value.split("/")
        safe = all(
            part and part not in (".", "..") and part.replace("_", "a").replace("-", "a").isalnum() for part in parts
        )
        return value if value == default or safe else self.fail(name, "is a path below the lake: layer/table")

    def texts(self, name: str, *, required: bool = False) -> tuple[str, ...]:
        value = self._take(name, ... if required else [])
        if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
            self.fail(name, "is not a list of texts")
        return tuple(value) if value or not required else self.fail(name, "is empty")

    def map(self, name: str) -> dict[str, str]:
        value = self._take(name, {})
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            self.fail(name, "is not an object of texts")
        return dict(value)

    def choice(self, name: str, known: tuple[str, ...], default: str) -> str:
        value = self._take(name, default)
        return str(value) if value in known else str(self.fail(name, f"is one of {', '.join(known)}"))

    def count(self, name: str, default: int) -> int:
        value = self._take(name, default)
        whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return int(value) if whole else int(self.fail(name, "is not a whole number"))

    def flag(self, name: str) -> bool:
        value = self._take(name, False)
        return value if isinstance(value, bool) else self.fail(name, "is not true or false")

    def object(self, name: str) -> "_Object | None":
        value = self._left.pop(name, None)
        return None if value is None else _Object(value, f"{self._place}/{name}")

    def objects(self, name: str) -> "list[_Object]":
        value = self._take(name, [])
        if not isinstance(value, list):
            self.fail(name, "is not a list")
        return [_Object(each, f"{self._place}/{name}/{index}") for index, each in enumerate(value)]


def _fault(place: str, why: str) -> JobError:
    return JobError("TRANSFORM_BAD_SPEC", f"{place or 'The spec'} {why}.", "See jobs/README.md, transform.")
