"""Reads what was staged for a source and gives it the types of its `output(…)`."""

from typing import Any

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from waybill_jobs.dataflow.expressions import Scope
from waybill_jobs.dataflow.faults import Invalid, Unsupported
from waybill_jobs.dataflow.frame import Frame, frame_of, selected
from waybill_jobs.dataflow.kinds import Node, spark_type
from waybill_jobs.dataflow.options import option, part, yes
from waybill_jobs.dataflow.rows import cast_to
from waybill_jobs.io import all_files


#: What Spark says where there is nothing to read.
_NOTHING = ("PATH_NOT_FOUND", "UNABLE_TO_INFER_SCHEMA", "DELTA_TABLE_NOT_FOUND", "DELTA_PATH_DOES_NOT_EXIST")


def read_staged(spark: SparkSession, plan: dict[str, Any], name: str) -> DataFrame | None:
    """The rows of all folders; None where an optional source has none."""
    kind = plan.get("kind")
    form = "parquet" if kind == "staged-parquet" else str(plan.get("format"))
    if kind not in ("staged-parquet", "files"):
        raise Unsupported("kind of source", str(kind))
    if form not in ("parquet", "json", "delta"):
        raise Unsupported("format of a source", form)
    found: DataFrame | None = None
    for path in plan.get("paths") or [plan["path"]]:
        try:
            one = _read(spark, form, path, plan.get("options") or {})
        except AnalysisException as error:
            # No file at all: the source is empty, or, unless that is allowed, at fault.
            if plan.get("optional") and error.getCondition() in _NOTHING:
                continue
            raise Invalid(f"Source '{name}': {str(error).splitlines()[0][:300]}") from None
        found = one if found is None else found.unionByName(one, allowMissingColumns=True)
    return found


def _read(spark: SparkSession, form: str, path: str, options: dict[str, Any]) -> DataFrame:
    if form == "delta":
        return spark.read.format("delta").options(**options).load(path)
    reader = spark.read.option("recursiveFileLookup", "true")
    if form == "parquet":
        return reader.option("pathGlobFilter", "*.parquet").parquet(path)
    multi = str(bool(options.get("multiLine"))).lower()
    # A copy's manifest lies among its files, and is JSON itself: no pattern leaves out one name alone.
    names = [uri for uri in all_files(spark, path) if uri.rsplit("/", 1)[-1] != "manifest.json"]
    if not names:
        return spark.createDataFrame([], T.StructType([]))
    return reader.option("multiLine", multi).json(names)


def run_source(stream: Node, plan: dict[str, Any], scope: Scope) -> Frame:
    """Declared columns first, in their order and type; others follow where the source lets the schema drift."""
    name = stream["name"]
    data = read_staged(scope.spark, plan, name)
    declared = [node for node in part(stream, "output") or [] if node["type"] == "typed"]
    if data is None:
        data = scope.spark.createDataFrame([], T.StructType([]))
    limit = option(stream, "limit")
    if limit is not None:
        data = data.limit(int(str(scope.constant(limit) if isinstance(limit, dict) else limit)))
    frame = frame_of(data).passed(name)
    if not declared:
        return frame
    scope = scope.within(frame=frame)
    names = {c.name.lower() for c in frame.columns}
    by_place = bool(names) and all(n.startswith("prop_") for n in names)
    mapped: list[tuple[str, str, frozenset[str]]] = []
    used = set()
    for i, typed in enumerate(declared):
        column = frame.find(typed["name"])
        if column is None and by_place and i < len(frame.columns):
            column = frame.columns[i]
        if column is None:
            if yes(option(stream, "validateSchema")) and frame.columns:
                raise Invalid(f"Source '{name}' has no column '{typed['name']}', and validateSchema is set.")
            mapped.append((typed["name"], f"cast(null as {spark_type(typed)})", frozenset({name})))
            continue
        used.add(column.physical)
        mapped.append((typed["name"], cast_to(column.physical, typed, scope), column.streams))
    if yes(option(stream, "allowSchemaDrift")):
        mapped += [(c.name, c.physical, c.streams) for c in frame.columns if c.physical not in used]
    return selected(frame, mapped, scope.spark)
