"""The way back: tables as they were before a run, and the versions to come back to."""

from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from waybill_jobs.commits import commits_after, current_version
from waybill_jobs.errors import JobError
from waybill_jobs.io import delete, exists, in_parallel
from waybill_jobs.layout import Lake


def versions(spark: SparkSession, lake: Lake, tables: list[str]) -> dict[str, int]:
    """The newest version of each table, -1 where there is none."""
    found = in_parallel(lambda name: current_version(spark, lake.path(name)), tables)
    return dict(zip(tables, found, strict=True))


def restore(spark: SparkSession, lake: Lake, run: str, wanted: dict[str, int]) -> list[dict[str, Any]]:
    """Brings each table back to the version it had before the run; repeating it changes nothing.

    A table that the run created (wanted -1) is removed. All tables are examined before the first is touched: a
    commit after the wanted version that another run made refuses the whole call with RESTORE_FOREIGN_COMMITS,
    because undoing this run would undo that one too.
    """
    plans = in_parallel(lambda item: _plan(spark, lake, run, item[0], item[1]), list(wanted.items()))
    return in_parallel(lambda plan: _carry_out(spark, lake, plan), plans)


def _plan(spark: SparkSession, lake: Lake, run: str, name: str, version: int) -> dict[str, Any]:
    path = lake.path(name)
    now = current_version(spark, path)
    if now == version:
        return {"table": name, "from": now, "to": version, "action": "unchanged"}
    if now < version:
        raise JobError(
            "RESTORE_NO_SUCH_VERSION",
            f"{name} is at version {now}, so it never had version {version} or was removed since.",
            "Take the versions recorded for this very run, with the same --lake.",
        )
    commits = commits_after(spark, path, version)
    foreign = [commit.version for commit in commits if commit.run != run]
    if foreign:
        raise JobError(
            "RESTORE_FOREIGN_COMMITS",
            f"Versions {foreign[:5]} of {name} were not made by run {run}.",
            "Restore the later runs first, or repair the table by hand with RESTORE TABLE.",
        )
    newest = commits[-1]
    if version >= 0 and newest.operation == "RESTORE" and str(newest.parameters.get("version")) == str(version):
        return {"table": name, "from": now, "to": version, "action": "unchanged"}
    return {"table": name, "from": now, "to": version, "action": "removed" if version < 0 else "restored"}


def _carry_out(spark: SparkSession, lake: Lake, plan: dict[str, Any]) -> dict[str, Any]:
    name = str(plan["table"])
    path = lake.path(name)
    layer, table = name.split("/")
    checkpoint = lake.checkpoint(layer, table)
    if plan["action"] != "unchanged" or plan["to"] < 0:
        # First: a checkpoint that outlives the rows it stands for would make the next run skip their files.
        delete(spark, checkpoint)
    if plan["action"] == "removed":
        _remove(spark, path)
    elif plan["action"] == "restored":
        DeltaTable.forPath(spark, path).restoreToVersion(int(plan["to"]))
        plan = {**plan, "version": current_version(spark, path)}
    return plan


def _remove(spark: SparkSession, path: str) -> None:
    """Removes a table log first: interrupted, it leaves files that no table knows, never a table without files."""
    if exists(spark, f"{path}/_delta_log"):
        delete(spark, f"{path}/_delta_log")
    delete(spark, path)
