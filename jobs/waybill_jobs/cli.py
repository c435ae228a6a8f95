"""The command line of every Spark step: one job a call, one JSON line as its last output."""

import argparse
import json
import re
import sys
import traceback
from typing import Any

from pyspark.sql import SparkSession

from waybill_jobs.bronze import bronze
from waybill_jobs.checks import check
from waybill_jobs.delta_copy import MODES, load, unload
from waybill_jobs.errors import JobError
from waybill_jobs.gold import gold
from waybill_jobs.io import read_text
from waybill_jobs.layout import ALL_TABLES, Lake
from waybill_jobs.optimize import optimize
from waybill_jobs.restore import restore, versions
from waybill_jobs.results import TableResult, error_line, publish, result_line
from waybill_jobs.schemas import TABLES
from waybill_jobs.session import build_session
from waybill_jobs.silver import silver

JOBS = ("bronze", "silver", "gold", "optimize", "versions", "restore", "check", "load", "unload")

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

    def job(name: str, text: str) -> argparse.ArgumentParser:
        sub = jobs.add_parser(name, help=text, description=text)
        sub.add_argument("--lake", required=True, type=_folder, help="root of the tables, e.g. s3://bucket/lake")
        sub.add_argument("--run", required=True, type=_run_id, help="logical id of the run; the same on every retry")
        sub.add_argument("--result", help="where to write the result's JSON, e.g. s3://bucket/results/silver.json")
        return sub

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
    return parser


def run_job(spark: SparkSession, options: argparse.Namespace) -> tuple[list[TableResult], dict[str, Any]]:
    """Runs the chosen job; returns its tables and what else its result says."""
    lake = Lake(options.lake, getattr(options, "landing", ""))
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
    raise AssertionError(options.job)


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
        tables, extra = run_job(spark, options)
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
