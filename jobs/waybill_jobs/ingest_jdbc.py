"""A database's table to a Delta table by JDBC, read in ranges of a column by several connections at a time."""

import os
import re
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DateType, NumericType, TimestampNTZType, TimestampType

from waybill_jobs.commits import table_rows, table_size
from waybill_jobs.errors import JobError
from waybill_jobs.io import timed
from waybill_jobs.results import TableResult
from waybill_jobs.schemas import INGESTED_AT, RUN
from waybill_jobs.write import write_once

MODES = ("append", "overwrite")


@dataclass(frozen=True)
class JdbcSource:
    """`dbtable` is a table's name or a query in parentheses with an alias. The password's variable is named only.

    Bounds say where ranges lie and leave no row out: the first and the last range are open.
    """

    url: str
    dbtable: str
    user: str | None = None
    password_env: str | None = None
    partition_column: str | None = None
    lower: str | None = None
    upper: str | None = None
    partitions: int = 8
    fetch_size: int = 10_000


def ingest_jdbc(
    spark: SparkSession, lake: str, table: str, source: JdbcSource, run: str, mode: str, as_of: str
) -> list[TableResult]:
    """Copies the rows once per run. Each range is a query of its own: rows that change meanwhile may be seen half."""
    options = _connection(source)
    path = f"{lake}/{table}"
    frame, bounds = _read(spark, source, options)
    partitions = frame.rdd.getNumPartitions() if bounds else 1
    stamped = frame.withColumns({INGESTED_AT: F.lit(as_of).cast("timestamp"), RUN: F.lit(run)})
    replace = {"overwriteSchema": "true"} if mode == "overwrite" else {}
    with timed(f"ingest-jdbc/{table}"):
        outcome = write_once(spark, stamped, path, step=f"ingest-jdbc/{table}", run=run, mode=mode, options=replace)
    rows = table_rows(spark, path, outcome.version)
    files, size = table_size(spark, path, outcome.version)
    details = {"rowsOfRun": outcome.rows, "partitions": partitions, "bounds": bounds}
    return [TableResult(table, path, outcome.version, rows, files, size, outcome.written, details)]


def _connection(source: JdbcSource) -> dict[str, str]:
    if re.search(r"password=|://[^/]*@", source.url, re.IGNORECASE):
        raise JobError(
            "JDBC_SECRET_IN_URL",
            "--url holds a password: it would be in the step's arguments and in every log of them.",
            "Take it out; name the variable that holds it with --password-env.",
        )
    options = {"url": source.url, "fetchsize": str(source.fetch_size)}
    if source.user is not None:
        options["user"] = source.user
    if source.password_env is not None:
        password = os.environ.get(source.password_env)
        if password is None:
            raise JobError(
                "JDBC_NO_PASSWORD",
                f"The driver's environment has no {source.password_env}.",
                f"On YARN, set spark.yarn.appMasterEnv.{source.password_env} from the cluster's secret.",
            )
        options["password"] = password
    return options


def _read(spark: SparkSession, source: JdbcSource, options: dict[str, str]) -> tuple[DataFrame, list[str]]:
    def load(dbtable: str, more: dict[str, str]) -> DataFrame:
        return spark.read.format("jdbc").options(**options, **more, dbtable=dbtable).load()

    whole = load(source.dbtable, {})
    column = source.partition_column
    if column is None:
        return whole, []
    found = {field.name: field for field in whole.schema.fields}
    if column not in found or not isinstance(
        found[column].dataType, (NumericType, DateType, TimestampType, TimestampNTZType)
    ):
        raise JobError(
            "JDBC_BAD_PARTITION_COLUMN",
            f"{column} is no column of numbers, dates or timestamps in {source.dbtable}.",
            f"Choose one of: {', '.join(found)}.",
        )
    lower, upper = source.lower, source.upper
    if lower is None or upper is None:
        row = whole.agg(F.min(column).cast("string"), F.max(column).cast("string")).head()  # done by the database
        assert row is not None
        lower, upper = lower or row[0], upper or row[1]
    if lower is None or upper is None:
        return whole, []  # no row, or none with a value there
    if isinstance(found[column].dataType, NumericType):
        # Spark wants whole numbers as bounds.
        lower, upper = lower.split(".", 1)[0], str(int(upper.split(".", 1)[0]) + 1)
    ranges = {
        "partitionColumn": column,
        "lowerBound": lower,
        "upperBound": upper,
        "numPartitions": str(source.partitions),
    }
    return load(source.dbtable, ranges), [lower, upper]
