"""Reads and writes Parquet with other people's libraries, for comparing value by value.

    parquet_peer.py read  pyarrow|duckdb  FILE         prints one JSON row per line
    parquet_peer.py write pyarrow         FOLDER       writes files; prints {"file", "columns", "rows"} per line
    parquet_peer.py both  spark           FOLDER FILE  writes, then reads: Spark takes long to start

Rows are in waybill's canonical text, but floats are the hexadecimal bytes of the number, so that no text is compared.
"""

import datetime as dt
import decimal
import json
import os
import struct
import sys
import uuid


def text(value, kind=None):
    if value is None:
        return None
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return struct.pack(">f" if kind == "single" else ">d", value).hex()
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).hex().upper()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, dt.datetime):
        naive = value if value.tzinfo is None else value.astimezone(dt.timezone.utc).replace(tzinfo=None)
        return naive.isoformat(timespec="microseconds") + ("" if value.tzinfo is None else "Z")
    if isinstance(value, dt.time):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, (dt.date, uuid.UUID, int)):
        return str(value)
    assert isinstance(value, str), type(value)
    return value


def print_rows(rows, kinds):
    for row in rows:
        print(json.dumps([text(value, kind) for value, kind in zip(row, kinds)]))


def read_pyarrow(path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path, page_checksum_verification=True).read()
    kinds = ["single" if pa.types.is_float32(field.type) else None for field in table.schema]
    print_rows(zip(*(column.to_pylist() for column in table.columns)), kinds)


def read_duckdb(path):
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    found = connection.execute("SELECT * FROM read_parquet(?)", [path])
    kinds = ["single" if str(column[1]) == "FLOAT" else None for column in found.description]
    print_rows(found.fetchall(), kinds)


def spark_session():
    from pyspark.sql import SparkSession

    return (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "1")
        .getOrCreate()
    )


def read_spark(path):
    from pyspark.sql.types import DecimalType, FloatType, TimestampType

    frame = spark_session().read.parquet(path)
    types = [field.dataType for field in frame.schema]
    decimal.getcontext().prec = 60

    def exact(value, of):
        if value is not None and isinstance(of, TimestampType):
            # Python shows Spark's instants in the process's zone, which is UTC here, but does not say so.
            return value.replace(tzinfo=dt.timezone.utc)
        if value is not None and isinstance(of, DecimalType):
            # Zeros after the last digit get lost, or added, on the way from Spark to Python.
            return value.quantize(decimal.Decimal(1).scaleb(-of.scale))
        return value

    rows = ([exact(v, of) for v, of in zip(row, types)] for row in frame.collect())
    print_rows(rows, ["single" if isinstance(of, FloatType) else None for of in types])


def both_spark(folder, path):
    write_spark(folder)
    read_spark(path)


def report(path, names, rows, kinds=None):
    kinds = kinds or [None] * len(names)
    rows = [[text(value, kind) for value, kind in zip(row, kinds)] for row in rows]
    print(json.dumps({"file": path, "columns": names, "rows": rows}))


def write_pyarrow(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    decimal.getcontext().prec = 60
    count = 2_500
    utc = dt.timezone.utc
    start = dt.datetime(1969, 12, 31, 23, 59, 59, 999_999)

    def column(make):
        return [None if i % 7 == 3 else make(i) for i in range(count)]

    step = dt.timedelta(days=11, microseconds=77_777_777)
    times = column(lambda i: start + i * step)
    millis = column(lambda i: (start + i * step).replace(microsecond=(i * 37 % 1000) * 1000))
    seconds = column(lambda i: (start + i * step).replace(microsecond=0))
    columns = {
        "int8": (pa.int8(), column(lambda i: i % 256 - 128)),
        "int16": (pa.int16(), column(lambda i: i * 26 % 65_536 - 32_768)),
        "int32": (pa.int32(), column(lambda i: i * 1_717_986 - 2_147_483_648)),
        "int64": (pa.int64(), column(lambda i: i * 7_378_697_629_483_820 - 9_223_372_036_854_775_808)),
        "uint8": (pa.uint8(), column(lambda i: i % 256)),
        "uint16": (pa.uint16(), column(lambda i: 65_535 - i)),
        "uint32": (pa.uint32(), column(lambda i: 4_294_967_295 - i)),
        "uint64": (pa.uint64(), column(lambda i: 18_446_744_073_709_551_615 - i)),
        "single": (pa.float32(), column(lambda i: struct.unpack("f", struct.pack("f", i / 7))[0])),
        "double": (pa.float64(), column(lambda i: i / 7)),
        "flag": (pa.bool_(), column(lambda i: i % 3 == 0)),
        "text": (pa.string(), column(lambda i: f"Zeile {i % 50} 東京 😀")),
        "large": (pa.large_string(), column(lambda i: "x" * (i % 70))),
        "coded": (pa.dictionary(pa.int32(), pa.string()), column(lambda i: f"c{i % 4}")),
        "bytes": (pa.binary(), column(lambda i: i.to_bytes(2, "big") * (i % 5))),
        "fixed": (pa.binary(5), column(lambda i: i.to_bytes(5, "big"))),
        "uuid": (pa.uuid(), column(lambda i: uuid.UUID(int=i << 100 | i))),
        "dec9": (pa.decimal128(9, 3), column(lambda i: decimal.Decimal(i * 399_999 - 999_999_999).scaleb(-3))),
        "dec18": (pa.decimal128(18, 0), column(lambda i: decimal.Decimal(10**18 - 1 - i))),
        "dec38": (pa.decimal128(38, 10), column(lambda i: decimal.Decimal(i - 10**38 + 1).scaleb(-10))),
        "day": (pa.date32(), column(lambda i: dt.date(1, 1, 1) + dt.timedelta(days=i * 1_460))),
        "time_ms": (pa.time32("ms"), column(lambda i: dt.time(i % 24, i % 60, 59, i % 1000 * 1000))),
        "time_us": (pa.time64("us"), column(lambda i: dt.time(i % 24, i % 60, 59, i))),
        "time_ns": (pa.time64("ns"), column(lambda i: dt.time(i % 24, i % 60, 59, i))),
        "local_s": (pa.timestamp("s"), seconds),
        "local_ms": (pa.timestamp("ms"), millis),
        "local_us": (pa.timestamp("us"), times),
        "local_ns": (pa.timestamp("ns"), times),
        "utc_ms": (pa.timestamp("ms", "UTC"), [t and t.replace(tzinfo=utc) for t in millis]),
        "utc_us": (pa.timestamp("us", "UTC"), [t and t.replace(tzinfo=utc) for t in times]),
        "utc_ns": (pa.timestamp("ns", "UTC"), [t and t.replace(tzinfo=utc) for t in times]),
    }
    schema = pa.schema([(name, kind) for name, (kind, _) in columns.items()])
    arrays = [pa.array(values, kind) for kind, values in columns.values()]
    table = pa.Table.from_arrays(arrays, schema=schema)
    rows = list(zip(*(values for _, values in columns.values())))
    kinds = ["single" if name == "single" else None for name in columns]
    delta = {
        "int32": "DELTA_BINARY_PACKED",
        "int64": "DELTA_BINARY_PACKED",
        "text": "DELTA_BYTE_ARRAY",
        "large": "DELTA_LENGTH_BYTE_ARRAY",
        "double": "BYTE_STREAM_SPLIT",
        "flag": "RLE",
    }
    variants = {
        "default": {},
        "zstd-v2": {"compression": "zstd", "data_page_version": "2.0"},
        "gzip-plain": {"compression": "gzip", "use_dictionary": False},
        "brotli": {"compression": "brotli", "row_group_size": 700},
        "lz4-checksums": {"compression": "lz4", "write_page_checksum": True, "data_page_size": 4_096},
        "none-v1": {"compression": "none", "version": "1.0", "coerce_timestamps": "us",
                    "allow_truncated_timestamps": True},
        "delta": {"use_dictionary": False, "column_encoding": delta, "data_page_version": "2.0"},
        "int96": {"use_deprecated_int96_timestamps": True},
        "decimal-integers": {"store_decimal_as_integer": True},
    }
    for name, options in variants.items():
        path = os.path.join(folder, f"{name}.parquet")
        if name == "int96":
            keep = [n for n in columns if n.startswith("local")]
            pq.write_table(table.select(keep), path, **options)
            report(path, keep, list(zip(*(columns[n][1] for n in keep))))
        else:
            pq.write_table(table, path, **options)
            report(path, list(columns), rows, kinds)
    nested = pa.table({"id": [1, 2], "tags": [["a"], []]})
    pq.write_table(nested, os.path.join(folder, "nested.parquet"))
    report(os.path.join(folder, "nested.parquet"), ["id", "tags"], [])
    empty = os.path.join(folder, "empty.parquet")
    pq.write_table(table.slice(0, 0), empty)
    report(empty, list(columns), [])


def write_spark(folder):
    session = spark_session()
    session.conf.set("spark.sql.parquet.outputTimestampType", "INT96")
    frame = session.sql(
        """
        SELECT id, CAST(id AS SMALLINT) AS small, CAST(id / 7 AS DECIMAL(9,4)) AS dec9,
               CAST(id AS DECIMAL(38,18)) * 1000003 AS wide, concat('Zeile ', id % 9) AS text,
               IF(id % 5 = 0, NULL, timestamp_micros(-62135596800000000 + id * 86399999999989)) AS instant,
               IF(id % 5 = 1, NULL, CAST(timestamp_micros(id * 1000001) AS TIMESTAMP_NTZ)) AS local,
               date_add(DATE'1900-01-01', CAST(id AS INT)) AS day, id % 2 = 0 AS flag,
               CAST(concat('b', id) AS BINARY) AS bytes, id / 3D AS double
        FROM range(0, 3000, 1, 1)
        """
    )
    path = os.path.join(folder, "spark")
    frame.write.parquet(path)
    files = [name for name in os.listdir(path) if name.endswith(".parquet")]
    assert len(files) == 1
    # INT96 has no zone: waybill reads it as a date and time without one.
    report(os.path.join(path, files[0]), frame.columns, [list(row) for row in frame.collect()])


if __name__ == "__main__":
    os.environ["TZ"] = "UTC"
    action, library, *paths = sys.argv[1:]
    globals()[f"{action}_{library}"](*paths)
