"""The command line of every Spark step: one job a call, one JSON line as its last output."""

import argparse
import json
import re
import sys
import traceback
from typing import Any

from pyspark.sql import SparkSession

from waybill_jobs.auto_loader import LISTINGS
from waybill_jobs.bronze import bronze
from waybill_jobs.checks import check
from waybill_jobs.compact_files import MEBIBYTE, compact_files
from waybill_jobs.dataflow.run import dataflow
from waybill_jobs.delta_copy import MODES, load, unload
from waybill_jobs.errors import JobError
from waybill_jobs.gold import gold
from waybill_jobs.evolution import EVOLUTIONS
from waybill_jobs.ingest_files import FORMATS, FileSource, ingest_files
from waybill_jobs.ingest_jdbc import MODES as JDBC_MODES
from waybill_jobs.ingest_jdbc import JdbcSource, ingest_jdbc
from waybill_jobs.ingest_kafka import KEYS, KafkaSource, ingest_kafka
from waybill_jobs.ingest_kinesis import SOURCES, KinesisOptions, ingest_kinesis
from waybill_jobs.io import read_text
from waybill_jobs.layout import ALL_TABLES, Lake
from waybill_jobs.messages import FORMATS as PAYLOADS
from waybill_jobs.metrics import LiveMetrics, final_metrics
from waybill_jobs.migration_spec import read_migration_spec
from waybill_jobs.optimize import optimize
from waybill_jobs.parity import parity
from waybill_jobs.replicate import replicate
from waybill_jobs.restore import restore, versions
from waybill_jobs.results import TableResult, error_line, publish, result_line
from waybill_jobs.schemas import TABLES
from waybill_jobs.session import build_session
from waybill_jobs.silver import silver
from waybill_jobs.stream_control import Supervision
from waybill_jobs.transform import transform
from waybill_jobs.transform_spec import Spec, read_spec

JOBS = (
    "bronze",
    "silver",
    "gold",
    "optimize",
    "versions",
    "restore",
    "check",
    "load",
    "unload",
    "ingest_files",
    "ingest_jdbc",
    "transform",
    "compact_files",
    "ingest_kafka",
    "ingest_kinesis",
    "dataflow",
    "replicate",
    "parity",
)

# A run id becomes part of paths, transaction ids and predicates, so it may hold nothing that any of them reads.
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


def _run_id(text: str) -> str:
    if not _RUN_ID.fullmatch(text) or ".." in text or "//" in text or text.endswith("/"):
        raise argparse.ArgumentTypeError(
            "a run id has 1-200 of A-Z a-z 0-9 . _ / -, starts with a letter or digit, and has no '..' or '//'"
        )
    return text


def _moment(text: str) -> str:
    if not _MOMENT.fullmatch(text):
        raise argparse.ArgumentTypeError("a moment is written 2026-11-22T20:00:00Z (UTC, up to microseconds)")
    return text


def _folder(text: str) -> str:
    return text.rstrip("/")


def _table(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./-]*", text) or ".." in text or text.endswith("/"):
        raise argparse.ArgumentTypeError("a table is a path of letters, digits and _ . - below the lake")
    return text


def _list(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _options(text: str) -> dict[str, str]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise argparse.ArgumentTypeError('options are a JSON object of texts: {"sep": ";"}')
    return value


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise argparse.ArgumentTypeError("must be a whole number from 1 on")
    return int(text)


def _generation(text: str) -> int:
    if not re.fullmatch(r"\d{1,15}", text):
        raise argparse.ArgumentTypeError("must be a whole number")
    return int(text)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise argparse.ArgumentTypeError("true or false")
    return text == "true"


def _names(known: tuple[str, ...]) -> Any:
    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in known]
        if unknown or not names:
            raise argparse.ArgumentTypeError(f"unknown {unknown or 'empty list'}; known: {', '.join(known)}")
        return names

    return parse


def build_parser() -> argparse.ArgumentParser:
    """The parser; `main.py <job> --help` prints what a job takes."""
    parser = argparse.ArgumentParser(prog="main.py", description="One Spark job of a waybill lakehouse pipeline.")
    jobs = parser.add_subparsers(dest="job", required=True)

    def job(name: str, text: str, *, lake: bool = True) -> argparse.ArgumentParser:
        sub = jobs.add_parser(name, help=text, description=text)
        if lake:
            sub.add_argument("--lake", required=True, type=_folder, help="root of the tables, e.g. s3://bucket/lake")
        sub.add_argument("--run", required=True, type=_run_id, help="logical id of the run; the same on every retry")
        sub.add_argument("--result", help="where to write the result's JSON, e.g. s3://bucket/results/silver.json")
        return sub

    def streaming(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--evolution", choices=EVOLUTIONS, default="addNewColumns", help="what a new column does")
        sub.add_argument("--hints", default="", help='columns with types: "id BIGINT, amount DECIMAL(12,2)"')
        sub.add_argument("--interval", help='a trigger such as "5 minutes"; without it: what is there, then the end')
        sub.add_argument("--for-seconds", type=_count, help="with --interval: when to end")
        sub.add_argument("--progress", help="where to write how far it is after each batch, e.g. s3://bucket/p.json")
        sub.add_argument("--control", type=_folder, help="folder of the supervisor's lease.json and drain-<generation>")
        sub.add_argument("--generation", type=_generation, default=0, help="the supervisor's number of this run")
        sub.add_argument("--lease-seconds", type=_count, help="end when the lease has not been renewed for so long")

    sources = tuple(TABLES)
    sub = job("bronze", "Add what the run landed to the bronze tables.")
    sub.add_argument("--landing", required=True, type=_folder, help="root of the landed files")
    sub.add_argument("--as-of", required=True, type=_moment, help="the run's moment, recorded with each row")
    sub.add_argument("--tables", type=_names(sources), default=list(sources), help="comma list; default all")
    sub = job("silver", "Type, clean and de-duplicate the run's bronze rows; refuse the rest into quarantine.")
    sub.add_argument("--as-of", required=True, type=_moment, help="from when a changed plane counts as changed")
    sub.add_argument("--tables", type=_names(sources), default=list(sources), help="comma list; default all")
    sub = job("gold", "Rebuild the delay tables from silver and export them as CSV for loading elsewhere.")
    sub.add_argument("--export", type=_folder, help="root of the serving files; without it nothing is exported")
    sub = job("optimize", "Compact small files and remove unreferenced ones; rows stay as they are.")
    sub.add_argument("--tables", type=_names(ALL_TABLES), default=list(ALL_TABLES), help="comma list of layer/table")
    sub.add_argument("--retain-hours", type=int, default=168, help="history to keep; 168 is the least allowed")
    sub = job("versions", "Report the version of each table, -1 where there is none.")
    sub.add_argument("--tables", type=_names(ALL_TABLES), default=list(ALL_TABLES), help="comma list of layer/table")
    sub = job("restore", "Undo a run: bring tables back to the versions recorded before it.")
    sub.add_argument("--versions", required=True, help='JSON {"layer/table": version}, or the path of such a file')
    sub = job("check", "Count and check what the tables hold.")
    sub.add_argument("--tables", type=_names(ALL_TABLES), default=list(ALL_TABLES), help="comma list of layer/table")
    sub = job("load", "Bring files that a copy staged into a Delta table, once.")
    sub.add_argument("--table", required=True, type=_table, help="folder of the table below --lake")
    sub.add_argument("--source", required=True, type=_folder, help="folder of the staged files and their manifest.json")
    sub.add_argument("--mode", choices=MODES, default="append")
    sub.add_argument("--keys", type=_list, default=[], help="comma list of columns, for merge")
    sub = job("unload", "Write one version of a Delta table as Parquet files for a copy to read.")
    sub.add_argument("--table", required=True, type=_table, help="folder of the table below --lake")
    sub.add_argument("--target", required=True, type=_folder, help="folder for the files and their manifest.json")
    sub.add_argument("--version", type=int, help="default: the newest")
    sub = job("ingest_files", "Add the rows of files not seen before to a Delta table, each file once.")
    sub.add_argument("--table", required=True, type=_table, help="folder of the table below --lake")
    sub.add_argument("--source", required=True, type=_folder, help="folder of the files; subfolders are looked into")
    sub.add_argument("--format", required=True, choices=FORMATS)
    streaming(sub)
    sub.add_argument("--options", type=_options, default={}, help="JSON object for the format's reader")
    sub.add_argument("--glob", help='only files of such names: "*.json"')
    sub.add_argument("--files-per-batch", type=_count, default=1000)
    sub.add_argument("--listing", choices=LISTINGS, default="own", help="cloudFiles: Databricks' Auto Loader")
    sub = job("ingest_jdbc", "Copy a database's table to a Delta table by several connections, once per run.")
    sub.add_argument("--table", required=True, type=_table, help="folder of the table below --lake")
    sub.add_argument("--as-of", required=True, type=_moment, help="the run's moment, recorded with each row")
    sub.add_argument("--url", required=True, help="jdbc:postgresql://host:5432/database, without a password")
    sub.add_argument("--dbtable", required=True, help='schema.table, or "(select ...) as t"')
    sub.add_argument("--user")
    sub.add_argument("--password-env", help="name of the variable that holds the password")
    sub.add_argument("--partition-column", help="a column of numbers, dates or timestamps to read ranges of")
    sub.add_argument("--lower", help="where ranges begin; default: the least value")
    sub.add_argument("--upper", help="where ranges end; default: the greatest value")
    sub.add_argument("--num-partitions", type=_count, default=8, help="connections at a time, at most")
    sub.add_argument("--fetch-size", type=_count, default=10_000, help="rows a round trip")
    sub.add_argument("--mode", choices=JDBC_MODES, default="append")
    sub = job("transform", "Make one table from another: types, expectations, duplicates, joins, one write per run.")
    sub.add_argument("--spec", required=True, help="the spec's JSON, or the path of a file of it")
    sub.add_argument("--as-of", required=True, type=_moment, help="the run's moment: from when a changed row is valid")
    sub = job("compact_files", "Write many small Parquet files anew as few of a good size, in another folder.")
    sub.add_argument("--source", required=True, type=_folder)
    sub.add_argument("--target", required=True, type=_folder)
    sub.add_argument("--target-mib", type=_count, default=100, help="about the size of each file")
    sub.add_argument("--partition-by", type=_list, default=[], help="comma list of columns: year,month,day")
    sub = job("ingest_kafka", "Add a topic's messages to a Delta table, each message once.")
    sub.add_argument("--table", required=True, type=_table, help="folder of the table below --lake")
    sub.add_argument("--servers", required=True, help="host:port,host:port of brokers")
    sub.add_argument("--topics", help="comma list")
    sub.add_argument("--topic-pattern", help="in place of --topics: a Java regular expression")
    sub.add_argument("--format", choices=PAYLOADS, default="json", help="of a message's value")
    sub.add_argument("--key-format", choices=KEYS, default="string")
    sub.add_argument("--starting-offsets", default="earliest", help="earliest, latest or Spark's JSON; at the first start")
    sub.add_argument("--max-offsets", type=_count, help="messages a batch, at most")
    sub.add_argument("--fail-on-data-loss", type=_flag, default=True, help="false: go on when messages have gone")
    sub.add_argument("--options", type=_options, default={}, help='JSON: {"kafka.security.protocol": "SASL_SSL"}')
    sub.add_argument("--secret-options", type=_options, default={}, help="JSON: option to name of a variable")
    streaming(sub)
    sub = job("ingest_kinesis", "Add a Kinesis stream's records to a Delta table, each record once.")
    sub.add_argument("--table", required=True, type=_table, help="folder of the table below --lake")
    sub.add_argument("--stream", required=True)
    sub.add_argument("--region", required=True)
    sub.add_argument("--endpoint", help="default: Amazon's, or AWS_ENDPOINT_URL_KINESIS")
    sub.add_argument("--format", choices=PAYLOADS, default="json", help="of a record's data")
    sub.add_argument("--starting-position", default="TRIM_HORIZON", help="or LATEST, or AT_TIMESTAMP <moment>")
    sub.add_argument("--max-records", type=_count, default=100_000, help="records a batch and shard, at most")
    sub.add_argument("--fail-on-data-loss", type=_flag, default=True, help="false: go on when records have gone")
    sub.add_argument("--source", choices=SOURCES, default="auto", help="EMR's connector or the one in this package")
    streaming(sub)
    sub = job("dataflow", "Run a mapping data flow: staged sources to a folder of rows for each sink.")
    sub.add_argument("--plan", required=True, help="the plan's JSON, or the path of a file of it")
    spec = "the migration's tables on both sides, a JSON file that waybill writes"
    sub = job("replicate", "Bring Parquet folders and Delta tables to Delta tables: what is new, once, verified.", lake=False)
    sub.add_argument("--spec", required=True, help=spec)
    sub.add_argument("--state", required=True, type=_folder, help="folder for the record of what was brought")
    sub = job("parity", "Compare the tables of two sides: schema, rows, columns, every row by its key.", lake=False)
    sub.add_argument("--spec", required=True, help=spec)
    sub.add_argument("--report", required=True, help="where to write the whole comparison, a JSON file")
    return parser


def run_job(spark: SparkSession, options: argparse.Namespace) -> tuple[list[TableResult], dict[str, Any]]:
    """Runs the chosen job; returns its tables and what else its result says."""
    lake = Lake(getattr(options, "lake", ""), getattr(options, "landing", ""))
    match options.job:
        case "bronze":
            return bronze(spark, lake, options.run, options.as_of, options.tables), {}
        case "silver":
            return silver(spark, lake, options.run, options.as_of, options.tables)
        case "gold":
            return gold(spark, lake, options.run, options.export)
        case "optimize":
            return optimize(spark, lake, options.tables, options.retain_hours), {}
        case "versions":
            return [], {"versions": versions(spark, lake, options.tables)}
        case "restore":
            return [], {"restored": restore(spark, lake, options.run, _versions_argument(spark, options.versions))}
        case "check":
            return check(spark, lake, options.tables)
        case "load":
            path = f"{options.lake}/{options.table}"
            return load(spark, path, options.table, options.source, options.run, options.mode, options.keys), {}
        case "unload":
            path = f"{options.lake}/{options.table}"
            return unload(spark, path, options.table, options.target, options.run, options.version), {}
        case "ingest_files":
            files = FileSource(
                options.source,
                options.format,
                options.evolution,
                options.options,
                options.hints,
                options.glob,
                options.files_per_batch,
                options.listing,
            )
            how = _supervision(options)
            return ingest_files(spark, options.lake, options.table, files, how, options.run), {}
        case "ingest_kafka":
            topics = KafkaSource(
                options.servers,
                options.topics,
                options.topic_pattern,
                options.format,
                options.key_format,
                options.evolution,
                options.hints,
                options.starting_offsets,
                options.max_offsets,
                options.fail_on_data_loss,
                options.options,
                options.secret_options,
            )
            return ingest_kafka(spark, options.lake, options.table, topics, _supervision(options), options.run)
        case "ingest_kinesis":
            records = KinesisOptions(
                options.stream,
                options.region,
                options.endpoint,
                options.format,
                options.evolution,
                options.hints,
                options.starting_position,
                options.max_records,
                options.fail_on_data_loss,
                options.source,
            )
            return ingest_kinesis(spark, options.lake, options.table, records, _supervision(options), options.run)
        case "ingest_jdbc":
            database = JdbcSource(
                options.url,
                options.dbtable,
                options.user,
                options.password_env,
                options.partition_column,
                options.lower,
                options.upper,
                options.num_partitions,
                options.fetch_size,
            )
            arguments = (options.run, options.mode, options.as_of)
            return ingest_jdbc(spark, options.lake, options.table, database, *arguments), {}
        case "transform":
            return transform(spark, options.lake, _spec_argument(spark, options.spec), options.run, options.as_of), {}
        case "compact_files":
            size, columns = options.target_mib * MEBIBYTE, tuple(options.partition_by)
            places = (options.source, options.target)
            return compact_files(spark, *places, target_bytes=size, partition_by=columns, run=options.run), {}
        case "dataflow":
            return dataflow(spark, options.plan, options.run)
        case "replicate":
            return replicate(spark, read_migration_spec(spark, options.spec), options.state, options.run), {}
        case "parity":
            return parity(spark, read_migration_spec(spark, options.spec), options.report)
    raise AssertionError(options.job)


def _spec_argument(spark: SparkSession, text: str) -> Spec:
    source = text if text.lstrip().startswith("{") else read_text(spark, text)
    try:
        value = json.loads(source)
    except ValueError as error:
        raise JobError("TRANSFORM_BAD_SPEC", f"--spec is no JSON: {error}.", "See jobs/README.md, transform.") from None
    return read_spec(value)


def _supervision(options: argparse.Namespace) -> Supervision:
    return Supervision(
        options.interval,
        options.for_seconds,
        options.progress,
        options.control,
        options.generation,
        options.lease_seconds,
    )


def _versions_argument(spark: SparkSession, text: str) -> dict[str, int]:
    source = text if text.lstrip().startswith("{") else read_text(spark, text)
    try:
        value = json.loads(source)
    except ValueError:
        value = None
    if isinstance(value, dict) and isinstance(value.get("versions"), dict):
        value = value["versions"]  # the result file of the versions job as it is
    valid = isinstance(value, dict) and all(
        name in ALL_TABLES and isinstance(version, int) and not isinstance(version, bool) and version >= -1
        for name, version in value.items()
    )
    if not valid:
        raise JobError(
            "RESTORE_BAD_VERSIONS",
            "--versions is not a JSON object of known layer/table names and versions of -1 or more.",
            "Pass the `versions` object, or the result file, of the versions job.",
        )
    assert isinstance(value, dict)
    return value


def main(arguments: list[str]) -> int:
    """Parses, runs, reports. Exit 0: done. 1: refused or failed. 2: the command line is wrong."""
    options = build_parser().parse_args(arguments)
    spark = build_session(options.run, options.job)
    spark.sparkContext.setLogLevel("WARN")
    try:
        with LiveMetrics(spark, options.result):
            tables, extra = run_job(spark, options)
        extra = {**extra, **final_metrics(spark)}
        publish(spark, result_line(options.job, options.run, tables, extra), options.result)
    except JobError as error:
        print(str(error), file=sys.stderr, flush=True)
        publish(spark, error_line(options.job, options.run, error), options.result)
        return 1
    except Exception as error:  # the engine's own failure: keep its trace for the step's log, name it for the caller
        traceback.print_exc()
        first_line = str(error).strip().split("\n", 1)[0][:500]
        failure = JobError(
            "JOB_FAILED", f"{type(error).__name__}: {first_line}", "Read the trace in the step's stderr log."
        )
        publish(spark, error_line(options.job, options.run, failure), options.result)
        return 1
    return 0
