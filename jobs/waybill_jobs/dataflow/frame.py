"""A stream's rows with the names its columns go by: physical columns are unique, names may repeat after a join."""

from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from waybill_jobs.dataflow.kinds import identifier

_numbers = count()


def fresh() -> str:
    """A physical column name that nothing else has."""
    return f"c{next(_numbers)}"


@dataclass(frozen=True)
class Column:
    """`streams`: every stream the column came through, so that `source1@id` still finds it further down."""

    name: str
    physical: str
    kind: T.DataType
    streams: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Frame:
    """`marker` holds I, U, D or S after alterRow; `matched` is true where the last lookup found a row."""

    data: DataFrame
    columns: tuple[Column, ...]
    marker: str | None = None
    matched: str | None = None
    cache: dict[str, Any] = field(default_factory=dict, compare=False)

    def find(self, name: str, stream: str | None = None) -> Column | None:
        """By exact name, else by one that differs in case only; of several the first."""
        pool = [c for c in self.columns if stream is None or stream in c.streams]
        exact = next((c for c in pool if c.name == name), None)
        return exact or next((c for c in pool if c.name.lower() == name.lower()), None)

    def passed(self, stream: str) -> "Frame":
        """The same columns, also reachable as `stream@name`."""
        columns = tuple(replace(c, streams=c.streams | {stream}) for c in self.columns)
        return replace(self, columns=columns, cache={})

    def helpers(self) -> list[str]:
        return [name for name in (self.marker, self.matched) if name]

    def empty(self, spark: SparkSession) -> DataFrame:
        """No rows, the same physical columns: what the types of expressions are asked of."""
        if "empty" not in self.cache:
            fields = [T.StructField(c.physical, c.kind) for c in self.columns]
            helpers = [
                T.StructField(name, T.StringType() if name == self.marker else T.BooleanType())
                for name in self.helpers()
            ]
            self.cache["empty"] = spark.createDataFrame([], T.StructType(fields + helpers))
        found: DataFrame = self.cache["empty"]
        return found


def frame_of(data: DataFrame, streams: frozenset[str] = frozenset()) -> Frame:
    """A frame of a DataFrame whose column names are those of the stream."""
    columns = tuple(Column(f.name, fresh(), f.dataType, streams) for f in data.schema.fields)
    renamed = data.toDF(*[c.physical for c in columns])
    return Frame(renamed, columns)


def renewed(frame: Frame) -> Frame:
    """The frame under new physical names, to be joined with one that may share its origin."""
    names = {c.physical: fresh() for c in frame.columns}
    helpers = {name: fresh() for name in frame.helpers()}
    chosen = [F.col(old).alias(new) for old, new in (names | helpers).items()]
    return Frame(
        frame.data.select(*chosen),
        tuple(replace(c, physical=names[c.physical]) for c in frame.columns),
        helpers.get(frame.marker or ""),
        helpers.get(frame.matched or ""),
    )


def selected(frame: Frame, columns: list[tuple[str, str, frozenset[str]]], spark: SparkSession) -> Frame:
    """A frame of (name, SQL, streams), with the markers of the old one. Types come from one analysis."""
    chosen = [(name, sql, fresh(), streams) for name, sql, streams in columns]
    texts = [f"{sql} AS {physical}" for _, sql, physical, _ in chosen]
    helpers = [identifier(name) for name in frame.helpers()]
    data = frame.data.selectExpr(*texts, *helpers)
    kinds = data.schema.fields
    new = tuple(Column(name, physical, kinds[i].dataType, s) for i, (name, _, physical, s) in enumerate(chosen))
    return Frame(data, new, frame.marker, frame.matched)
