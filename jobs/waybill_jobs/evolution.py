"""The schema location of an ingested table: columns found in the data, how new ones join, what fits none is rescued.

Rows come either as one map of texts by name (JSON, whose keys may be any) or as columns, beside `_corrupt_record` and the
source's own columns such as a file's name or a message's offset.
"""

import json
import re
from dataclasses import dataclass

from pyspark.sql import Column as SqlColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from waybill_jobs.commits import is_table
from waybill_jobs.errors import JobError
from waybill_jobs.io import file_names, read_table, read_text, write_text
from waybill_jobs.schemas import CORRUPT, INGESTED_AT, RESCUED, RUN

#: What a column that the schema lacks does: joins it; is rescued; stops the job; is dropped.
EVOLUTIONS = ("addNewColumns", "rescue", "failOnNewColumns", "none")
#: The column that holds a row's values by name, where they came as JSON.
MAP = "_waybill_map"
#: A source whose keys are data (`{"user-1": …, "user-2": …}`) must not become a table of a million columns.
MOST_COLUMNS = 1000

_VERSION = re.compile(r"(\d+)\.json")
#: What Delta takes in no column's name.
_UNFIT = re.compile(r"[ ,;{}()\n\t=]|^$")


@dataclass(frozen=True)
class Place:
    """Where a table, its stream's checkpoint and its schemas (`<n>.json`, the newest counts) lie."""

    table: str
    path: str
    checkpoint: str
    schemas: str

    @classmethod
    def of(cls, lake: str, table: str) -> "Place":
        return cls(table, f"{lake}/{table}", f"{lake}/_checkpoints/{table}", f"{lake}/_schemas/{table}")


@dataclass(frozen=True)
class Rule:
    """`own` are columns of the source itself, with the names they get; they follow the data's columns."""

    evolution: str
    hints: str
    own: dict[str, str]
    #: For messages: what the rows came from, and how a refused one gets in or away.
    origin: str
    remedy: str


def newest(spark: SparkSession, folder: str) -> int:
    """The schema's version, -1 where there is none."""
    found = (_VERSION.fullmatch(name) for name in file_names(spark, folder))
    return max((int(match[1]) for match in found if match), default=-1)


def evolve(spark: SparkSession, place: Place, rule: Rule, raw: DataFrame) -> tuple[StructType, tuple[str, ...]]:
    """The schema to write this batch by, kept in the schema location before any row is written by it, and what is new."""
    version = newest(spark, place.schemas)
    hints = _hints(rule.hints)
    reserved = {name.lower() for name in (*rule.own.values(), RESCUED, INGESTED_AT, RUN)}
    known = StructType([])
    if version >= 0:
        known = StructType.fromJson(json.loads(read_text(spark, f"{place.schemas}/{version}.json")))
    elif is_table(spark, place.path):
        # The schema location was lost or is new; the table still has its columns.
        fields = read_table(spark, place.path).schema.fields
        known = StructType([field for field in fields if field.name.lower() not in reserved])
    names = {field.name.lower() for field in known.fields}
    new = list[StructField]()
    for field in _columns(raw, tuple(rule.own)).fields:
        name = field.name.lower()
        if name in names or name in reserved or _UNFIT.search(name) or len(names) >= MOST_COLUMNS:
            continue
        names.add(name)
        new.append(hints.get(name, StructField(field.name, field.dataType)))
    first = not known.fields
    if new and not first and rule.evolution == "failOnNewColumns":
        raise JobError(
            "INGEST_NEW_COLUMNS",
            f"New in {rule.origin}, and not in the schema of {place.table}: {', '.join(f.name for f in new)}.",
            f"Run once with --evolution addNewColumns or rescue{rule.remedy}.",
        )
    if not new or (not first and rule.evolution != "addNewColumns"):
        return known, ()
    schema = StructType([*known.fields, *new])
    write_text(spark, f"{place.schemas}/{version + 1}.json", schema.json())
    return schema, () if first else tuple(field.name for field in new)


def conform(raw: DataFrame, schema: StructType, rule: Rule, run: str) -> DataFrame:
    """The rows by the schema; what has no column there, or no value of its type, goes to `_rescued_data`."""
    is_map = MAP in raw.columns
    present = {name.lower(): name for name in raw.columns}
    rescued: list[SqlColumn] = [F.col(CORRUPT).alias(CORRUPT)]
    values = []
    for field in schema.fields:
        if is_map:
            value = F.col(MAP)[field.name]
        elif field.name.lower() in present:
            value = _named(present[field.name.lower()])
        else:
            values.append(F.lit(None).cast(field.dataType).alias(field.name))
            continue
        typed = value.try_cast(field.dataType)
        values.append(typed.alias(field.name))
        rescued.append(F.when(typed.isNull(), value).cast("string").alias(field.name))
    known = [field.name for field in schema.fields]
    lower = {name.lower() for name in known}
    if not is_map and rule.evolution != "none":
        others = [name for name in raw.columns if name.lower() not in lower and name not in (CORRUPT, *rule.own)]
        rescued += [_named(name).cast("string").alias(name) for name in others]
    kept = F.from_json(F.to_json(F.struct(*rescued)), "map<string,string>")  # to_json leaves out what is NULL
    if is_map and rule.evolution != "none":
        names = F.array(*[F.lit(name) for name in known]).cast("array<string>")
        unknown = F.map_filter(F.col(MAP), lambda key, value: ~F.array_contains(names, key) & value.isNotNull())
        # A name that is in both, as a key "_corrupt_record" of the data would be, is one entry.
        unknown = F.map_filter(unknown, lambda key, _: ~F.map_contains_key(kept, key))
        kept = F.map_concat(kept, F.coalesce(unknown, F.create_map().cast("map<string,string>")))
    return raw.select(
        *values,
        F.when(F.size(kept) > 0, F.to_json(kept)).alias(RESCUED),
        *[F.col(name).alias(alias) for name, alias in rule.own.items()],
        F.current_timestamp().alias(INGESTED_AT),
        F.lit(run).alias(RUN),
    )


def _named(name: str) -> SqlColumn:
    return F.col("`" + name.replace("`", "``") + "`")


def _columns(raw: DataFrame, own: tuple[str, ...]) -> StructType:
    """The columns of a batch, and their types: text for what came as JSON."""
    if MAP not in raw.columns:
        return StructType([field for field in raw.schema.fields if field.name not in (CORRUPT, *own)])
    rows = raw.select(F.explode(F.map_keys(MAP)).alias("name")).distinct().limit(10 * MOST_COLUMNS).collect()
    return StructType([StructField(name, StringType()) for name in sorted(row["name"] for row in rows)])


def _hints(ddl: str) -> dict[str, StructField]:
    """Columns with types by their names in small letters."""
    if not ddl:
        return {}
    schema = StructType.fromDDL(ddl)
    if not isinstance(schema, StructType):
        raise JobError("INGEST_BAD_HINTS", f"--hints {ddl} names a type.", 'Write columns: "id BIGINT, day DATE".')
    return {field.name.lower(): field for field in schema.fields}
