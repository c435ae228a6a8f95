"""One table made from another as a spec says: typed, judged, de-duplicated, joined, written once per run."""

from functools import reduce

from delta.tables import DeltaTable
from pyspark.sql import Column as SqlColumn
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from waybill_jobs.commits import current_version, is_table, table_rows, table_size
from waybill_jobs.errors import JobError
from waybill_jobs.io import read_table, timed
from waybill_jobs.results import TableResult
from waybill_jobs.scd2 import merge_history
from waybill_jobs.schemas import RUN
from waybill_jobs.session import merge_session
from waybill_jobs.skew import choose, join_rows
from waybill_jobs.transform_spec import Expectation, Spec, Target
from waybill_jobs.write import WriteOutcome, own_commit, transaction, write_once

_RANK = "_waybill_rank"
REASON = "_reason"
RECORD = "_record"


def transform(spark: SparkSession, lake: str, spec: Spec, run: str, as_of: str) -> list[TableResult]:
    """Raises JobError: TRANSFORM_NO_SOURCE, EXPECTATION_FAILED before anything is written, and those of `history`."""
    rows = _source(spark, lake, spec, run)
    counts = _judge(rows, spec.expectations)
    total = counts.pop("")
    failed = {
        each.name: counts[each.name] for each in spec.expectations if each.on_violation == "fail" and counts[each.name]
    }
    if failed:
        said = "; ".join(f"{name}: {count}" for name, count in failed.items())
        raise JobError(
            "EXPECTATION_FAILED",
            f"Of {total} rows of {spec.source} these break an expectation that must hold: {said}.",
            "Nothing was written. Mend the rows, or say quarantine or drop instead of fail.",
        )
    good = rows.where(~_any(spec.expectations, ("drop", "quarantine")))
    quarantined = _quarantine(spark, lake, spec, rows, counts, run)
    if spec.deduplicate is not None:
        good = _first_of_each(good, spec)
    joins: list[dict[str, object]] = []
    for join in spec.joins:
        path = f"{lake}/{join.table}"
        other = _read(spark, path, join.table)
        chosen = choose(spark, good, join, table_size(spark, path, current_version(spark, path))[1])
        columns = join.columns or tuple(name for name in other.columns if name not in join.on)
        good = join_rows(good, other.select(*join.on, *columns), join, chosen)
        joins.append({"table": join.table, **chosen.told()})
    for name, expression in spec.derive.items():
        good = good.withColumn(name, F.expr(expression))
    outcome = _write(spark, lake, good, spec, run, as_of)
    path = f"{lake}/{spec.target.table}"
    if outcome.version < 0:
        return []
    files, size = table_size(spark, path, outcome.version)
    details: dict[str, object] = {
        "rowsRead": total,
        "rowsWritten": outcome.rows,
        "quarantined": quarantined,
        "expectations": [
            {"name": each.name, "onViolation": each.on_violation, "violations": counts[each.name]}
            for each in spec.expectations
        ],
        "joins": joins,
    }
    rows_now = table_rows(spark, path, outcome.version)
    return [TableResult(spec.target.table, path, outcome.version, rows_now, files, size, outcome.written, details)]


def _read(spark: SparkSession, path: str, name: str) -> DataFrame:
    if not is_table(spark, path):
        raise JobError("TRANSFORM_NO_SOURCE", f"There is no Delta table {name} ({path}).", "Run what fills it first.")
    return read_table(spark, path)


def _source(spark: SparkSession, lake: str, spec: Spec, run: str) -> DataFrame:
    rows = _read(spark, f"{lake}/{spec.source}", spec.source)
    if spec.only_run:
        rows = rows.where(F.col(RUN) == run)
    if spec.where:
        rows = rows.where(spec.where)
    if spec.columns:
        rows = rows.select(*[F.expr(text).alias(name) for name, text in spec.columns.items()])
    return rows


def _violated(expectation: Expectation) -> SqlColumn:
    return F.coalesce(~F.expr(expectation.condition), F.lit(False))


def _any(expectations: tuple[Expectation, ...], kinds: tuple[str, ...]) -> SqlColumn:
    chosen = [_violated(each) for each in expectations if each.on_violation in kinds]
    return reduce(lambda left, right: left | right, chosen, F.lit(False))


def _judge(rows: DataFrame, expectations: tuple[Expectation, ...]) -> dict[str, int]:
    """Rows in all (under ""), and those that break each expectation: a query over the conditions' columns alone."""
    # By number: a name may hold what an alias may not.
    counts = [F.count_if(_violated(each)).alias(f"c{index}") for index, each in enumerate(expectations)]
    found = rows.agg(F.count(F.lit(1)).alias("all"), *counts).head()
    assert found is not None
    return {"": int(found["all"]), **{each.name: int(found[f"c{index}"]) for index, each in enumerate(expectations)}}


def _quarantine(spark: SparkSession, lake: str, spec: Spec, rows: DataFrame, counts: dict[str, int], run: str) -> int:
    """Puts the run's refused rows in place of an earlier attempt's, each as JSON with every reason."""
    kinds = [each for each in spec.expectations if each.on_violation == "quarantine"]
    if not any(counts[each.name] for each in kinds):
        return 0
    path = f"{lake}/{spec.quarantine}"
    reason = F.concat_ws("; ", *[F.when(_violated(each), F.lit(each.name)) for each in kinds])
    refused = rows.where(_any(spec.expectations, ("quarantine",))).select(
        F.lit(spec.target.table).alias("table_name"),
        reason.alias(REASON),
        F.to_json(F.struct(*rows.columns), {"ignoreNullFields": "false"}).alias(RECORD),
        F.lit(run).alias(RUN),
    )
    writer = refused.write.format("delta").mode("overwrite")
    if is_table(spark, path):
        # Several tables may share a quarantine.
        writer = writer.option("replaceWhere", f"{RUN} = '{run}' AND table_name = '{spec.target.table}'")
    before = current_version(spark, path)
    writer.save(path)
    done = own_commit(spark, path, before, run)
    return int(done.metrics["numOutputRows"]) if done else 0


def _first_of_each(rows: DataFrame, spec: Spec) -> DataFrame:
    """One row a key. Equal ones by `orderBy` are told apart by their values, so that a repeat picks the same."""
    assert spec.deduplicate is not None
    told = [F.expr(text) if not text.split()[1:] else _ordering(text) for text in spec.deduplicate.order_by]
    rest = [F.col(name).desc_nulls_last() for name, kind in rows.dtypes if not kind.startswith("map")]
    window = Window.partitionBy(*spec.deduplicate.keys).orderBy(*told, *rest)
    return rows.withColumn(_RANK, F.row_number().over(window)).where(F.col(_RANK) == 1).drop(_RANK)


def _ordering(text: str) -> SqlColumn:
    name, _, direction = text.rpartition(" ")
    if direction.lower() not in ("asc", "desc"):
        raise JobError("TRANSFORM_BAD_SPEC", f'"{text}" is no order.', 'Write "column", "column asc" or "column desc".')
    column = F.expr(name)
    return column.desc_nulls_last() if direction.lower() == "desc" else column.asc_nulls_last()


def _write(spark: SparkSession, lake: str, rows: DataFrame, spec: Spec, run: str, as_of: str) -> WriteOutcome:
    target = spec.target
    path = f"{lake}/{target.table}"
    step = f"transform/{target.table}"
    with timed(step):
        if target.mode == "history":
            [key] = target.keys
            attributes = tuple(name for name in rows.columns if name not in (key, RUN))
            done = merge_history(spark, rows, path, key=key, attributes=attributes, as_of=as_of, run=run, step=step)
            return WriteOutcome(done.version, done.written, done.added + done.changed)
        stamped = rows.drop(RUN).withColumn(RUN, F.lit(run))
        if target.mode == "merge" and is_table(spark, path):
            return _merge(spark, stamped, path, target, step, run)
        options = {"maxRecordsPerFile": str(target.max_records_per_file)}
        if not is_table(spark, path):
            options.update(target.properties)
        if target.mode == "overwritePartitions":
            options["partitionOverwriteMode"] = "dynamic"
        if target.evolve_schema:
            options["mergeSchema"] = "true"
        mode = "append" if target.mode in ("append", "merge") else "overwrite"
        if target.partition_by:
            # Each partition's rows to as few tasks as they fill, so that a day is not a file from every task.
            stamped = stamped.hint("rebalance", *target.partition_by)
        return write_once(
            spark, stamped, path, step=step, run=run, mode=mode, partition_by=target.partition_by, options=options
        )


def _merge(spark: SparkSession, rows: DataFrame, path: str, target: Target, step: str, run: str) -> WriteOutcome:
    """Rows by key: new ones are added, known ones replaced unless the table has a later state of them."""
    guard, before = transaction(spark, path, step, run)
    keys = (*target.partition_by, *(key for key in target.keys if key not in target.partition_by))
    repeated = rows.groupBy(*target.keys).count().where("count > 1").limit(1).count()
    if repeated:
        raise JobError(
            "MERGE_REPEATED_KEY",
            f"The rows for {target.table} have a value of {', '.join(target.keys)} more than once.",
            "Say `deduplicate`: which of them should stay is not for MERGE to guess.",
        )
    merge = (
        DeltaTable.forPath(merge_session(spark, guard), path)
        .alias("t")
        .merge(rows.alias("s"), " AND ".join(f"t.`{key}` <=> s.`{key}`" for key in keys))
    )
    if target.evolve_schema:
        merge = merge.withSchemaEvolution()
    newer = f"t.`{target.order_by}` <= s.`{target.order_by}`" if target.order_by else None
    merge.whenMatchedUpdateAll(condition=newer).whenNotMatchedInsertAll().execute()
    done = own_commit(spark, path, before, run)
    if done is None:
        return WriteOutcome(before, False, None)
    written = sum(int(done.metrics.get(name, "0")) for name in ("numTargetRowsInserted", "numTargetRowsUpdated"))
    return WriteOutcome(done.version, True, written)
