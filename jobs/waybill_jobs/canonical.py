"""Values made comparable: one form for what means the same, whatever wrote it, and hashes that know no order of rows."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    ByteType,
    DataType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    ShortType,
    StringType,
    StructType,
    TimestampNTZType,
    TimestampType,
    VariantType,
)

_DIGITS = {ByteType: 3, ShortType: 5, IntegerType: 10, LongType: 19}
#: Spark's widest decimal.
_MOST_DIGITS = 38
#: Key texts with every digit: by default JSON keeps a moment's milliseconds alone.
_JSON = {
    "ignoreNullFields": "false",
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}


def is_fraction(kind: DataType) -> bool:
    """Whether values of the type are rounded, so that a sum depends on the order of its terms."""
    return isinstance(kind, (FloatType, DoubleType))


def is_number(kind: DataType) -> bool:
    """Whether values of the type can be subtracted."""
    return is_fraction(kind) or isinstance(kind, DecimalType) or type(kind) in _DIGITS


def has_order(kind: DataType) -> bool:
    """Whether MIN and MAX take values of the type."""
    return not _holds(kind, (MapType, VariantType))


def common_type(left: DataType, right: DataType) -> DataType:
    """The type in which values of both can be compared without loss; text where there is no other."""
    if left == right:
        return left
    if is_number(left) and is_number(right):
        if is_fraction(left) or is_fraction(right):
            return DoubleType()
        (whole, scale), (other, other_scale) = _digits(left), _digits(right)
        digits, places = max(whole, other), max(scale, other_scale)
        return DecimalType(digits + places, places) if digits + places <= _MOST_DIGITS else StringType()
    moments = (DateType, TimestampType, TimestampNTZType)
    if isinstance(left, moments) and isinstance(right, moments):
        return TimestampType()
    return StringType()


def canonical(name: str, kind: DataType, source: DataType | None = None) -> Column:
    """A column as a value of `kind` in one form: 0.0 for -0.0, one NaN, a map's entries in order of its keys.

    A decimal (`source`) that becomes text does so without the zeros at its end.
    """
    if isinstance(source, DecimalType) and isinstance(kind, StringType):
        text = F.col(f"`{name}`").cast("string")
        # 1.10 -> 1.1, 10.00 -> 10
        return F.regexp_replace(F.regexp_replace(text, r"(\.\d*?)0+$", "$1"), r"\.$", "")
    column = F.col(f"`{name}`").cast(kind) if not _holds(kind, (VariantType,)) else F.col(f"`{name}`")
    if is_fraction(kind):
        return column.cast("double") + F.lit(0.0)
    if isinstance(kind, MapType) and has_order(kind.keyType) and has_order(kind.valueType):
        return F.array_sort(F.map_entries(column))
    if _holds(kind, (MapType, VariantType)):
        return F.to_json(column)
    return column


def hash_of(*columns: Column) -> Column:
    """A 64-bit hash of values, which tells NULL from every value."""
    parts = [part for column in columns for part in (column.isNull(), column)]
    return F.xxhash64(*parts)


def total(hashes: Column) -> Column:
    """The sum of hashes: the same for the same rows in any order, and rows that occur twice count twice."""
    return F.coalesce(F.sum(hashes.cast("decimal(38,0)")), F.lit(0).cast("decimal(38,0)"))


def as_json(*columns: Column) -> Column:
    """Columns as one JSON object with all their digits, NULLs included."""
    return F.to_json(F.struct(*columns), _JSON)


def fingerprint(frame: DataFrame, types: dict[str, DataType]) -> tuple[int, int]:
    """Rows, and the sum of a hash of each row's values, taken as `types` where that names the column (in lower case)."""
    kinds = {field.name: types.get(field.name.lower(), field.dataType) for field in frame.schema.fields}
    row = hash_of(*(canonical(name, kind) for name, kind in sorted(kinds.items(), key=lambda item: item[0].lower())))
    found = frame.select(row.alias("h")).agg(F.count("*").alias("rows"), total(F.col("h")).alias("hash")).head()
    assert found is not None
    return int(found["rows"]), int(found["hash"])


def _digits(kind: DataType) -> tuple[int, int]:
    if isinstance(kind, DecimalType):
        return kind.precision - kind.scale, kind.scale
    return _DIGITS[type(kind)], 0


def _holds(kind: DataType, wanted: tuple[type[DataType], ...]) -> bool:
    """Whether a type is, or somewhere holds, one of the wanted."""
    if isinstance(kind, wanted):
        return True
    if isinstance(kind, ArrayType):
        return _holds(kind.elementType, wanted)
    if isinstance(kind, StructType):
        return any(_holds(field.dataType, wanted) for field in kind.fields)
    return isinstance(kind, MapType) and (_holds(kind.keyType, wanted) or _holds(kind.valueType, wanted))
