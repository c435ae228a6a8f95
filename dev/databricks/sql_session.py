"""The SQL warehouse's Spark session: statements come as JSON lines on stdin, answers go as JSON lines to descriptor 3.

{"id", "statement", "catalog"?, "schema"?, "parameters": [{"name", "type"?, "value"?}], "limit"?} is answered by
{"id", "columns": [...], "rows": [[text or null, ...], ...], "truncated"} or {"id", "error", "sqlState"?}.
{"cancel": id} ends the statement that is at work, if it is that one.
"""

import json
import os
import queue
import re
import sys
import threading
import time
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

ANSWERS = os.fdopen(3, "w", encoding="utf-8")
LOCK = threading.Lock()

#: Texts, names, comments and casts, in which a colon is no marker; and markers, which no name or bracket comes before.
TOKENS = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|--[^\n]*|/\*.*?\*/|::|(?<![\w)\]:]):(?P<name>[A-Za-z_]\w*)""", re.DOTALL
)

#: type_name of the API, by the class of Spark's type.
NAMES: dict[type[T.DataType], str] = {
    T.BooleanType: "BOOLEAN",
    T.ByteType: "BYTE",
    T.ShortType: "SHORT",
    T.IntegerType: "INT",
    T.LongType: "LONG",
    T.FloatType: "FLOAT",
    T.DoubleType: "DOUBLE",
    T.DateType: "DATE",
    T.TimestampType: "TIMESTAMP",
    T.StringType: "STRING",
    T.BinaryType: "BINARY",
    T.DecimalType: "DECIMAL",
    T.ArrayType: "ARRAY",
    T.StructType: "STRUCT",
    T.MapType: "MAP",
    T.NullType: "NULL",
}


def main() -> None:
    spark = SparkSession.builder.appName("sql-warehouse").enableHiveSupport().getOrCreate()
    answer({"ready": True})
    work: queue.Queue[dict[str, Any] | None] = queue.Queue()
    going: dict[str, str] = {}
    cancelled: set[str] = set()
    ended: set[str] = set()

    def cancel(statement: str) -> None:
        # It may not have begun, its first job may yet begin, and there may be others after it.
        cancelled.add(statement)
        while statement not in ended:
            if going.get("id") == statement:
                spark.sparkContext.cancelAllJobs()
            time.sleep(0.1)

    def read() -> None:
        for line in sys.stdin:
            given = json.loads(line)
            if "cancel" not in given:
                work.put(given)
            else:
                threading.Thread(target=cancel, args=(given["cancel"],), daemon=True).start()
        work.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (given := work.get()) is not None:
        going["id"] = given["id"]
        try:
            if given["id"] in cancelled:
                raise RuntimeError("the statement was canceled before it began")
            answer({"id": given["id"], **perform(spark, given)})
        except PySparkException as error:
            message = error.getMessage() or str(error)
            # What the JVM has to add about where it stood is for its log.
            answer({"id": given["id"], "error": message, "sqlState": error.getSqlState()})
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this statement's alone
            answer({"id": given["id"], "error": f"{type(error).__name__}: {str(error).splitlines()[0]}"})
        going.pop("id", None)
        ended.add(given["id"])
    spark.stop()


def perform(spark: SparkSession, given: dict[str, Any]) -> dict[str, Any]:
    spark.sql("USE SCHEMA default")
    if given.get("schema"):
        spark.sql(f"USE SCHEMA `{given['schema'].replace('`', '``')}`")
    frame = spark.sql(with_values(given["statement"], given.get("parameters", [])))
    limit = given.get("limit")
    shown = frame.select(*[shown_as(frame, index) for index in range(len(frame.columns))])
    rows = (shown if limit is None else shown.limit(limit + 1)).collect()
    truncated = limit is not None and len(rows) > limit
    return {
        "columns": [column(index, field) for index, field in enumerate(frame.schema.fields)],
        "rows": [list(row) for row in (rows[:limit] if truncated else rows)],
        "truncated": truncated,
    }


def with_values(statement: str, parameters: list[dict[str, Any]]) -> str:
    """The statement with its markers `:name` replaced by typed literals. Spark's own markers stay unbound here: Delta's
    parser does not know how Spark 4.2 hands them on. One without a value is left, and Spark says so."""
    values = {one["name"]: literal(one) for one in parameters}

    def replaced(match: re.Match[str]) -> str:
        name = match.group("name")
        return values.get(name, match.group()) if name else match.group()

    return TOKENS.sub(replaced, statement)


def literal(parameter: dict[str, Any]) -> str:
    kind = parameter.get("type") or "STRING"
    if not re.fullmatch(r"[A-Za-z_ ]+(\(\s*\d+\s*(,\s*\d+\s*)?\))?", kind):
        raise ValueError(f"{kind} is no type of a parameter")
    value = parameter.get("value")
    if value is None:
        return f"CAST(NULL AS {kind})"
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"CAST('{text}' AS {kind})"


def shown_as(frame: DataFrame, index: int) -> Column:
    """A column as the text that JSON_ARRAY has for it."""
    field = frame.schema.fields[index]
    value = frame[f"`{field.name.replace('`', '``')}`"]
    if isinstance(field.dataType, (T.ArrayType, T.StructType, T.MapType)):
        return F.to_json(value).alias(f"_{index}")
    if isinstance(field.dataType, T.TimestampType):
        return F.date_format(value, "yyyy-MM-dd'T'HH:mm:ss.SSSX").alias(f"_{index}")
    if isinstance(field.dataType, T.BinaryType):
        return F.base64(value).alias(f"_{index}")
    return value.cast("string").alias(f"_{index}")


def column(index: int, field: T.StructField) -> dict[str, Any]:
    kind = field.dataType
    described: dict[str, Any] = {
        "name": field.name,
        "position": index,
        "type_name": NAMES.get(type(kind), "USER_DEFINED_TYPE"),
        "type_text": kind.simpleString().upper(),
    }
    if isinstance(kind, T.DecimalType):
        described |= {"type_precision": kind.precision, "type_scale": kind.scale}
    return described


def answer(value: dict[str, Any]) -> None:
    with LOCK:
        ANSWERS.write(json.dumps(value) + "\n")
        ANSWERS.flush()


main()
