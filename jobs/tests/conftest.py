"""One real Spark session with Delta for the whole suite, and a lake of its own for each test."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from landing import World
from pyspark.sql import DataFrame, SparkSession

sys.path.insert(0, str(Path(__file__).parent.parent))


def _jars() -> Path:
    """The pinned jar directory: WAYBILL_SPARK_JARS, else the newest one in waybill's cache."""
    given = os.environ.get("WAYBILL_SPARK_JARS")
    if given:
        return Path(given)
    base = os.environ.get("WAYBILL_CACHE") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "waybill"
    )
    found = sorted(Path(base).glob("jars-*/delta-spark_*.jar"), key=lambda jar: jar.stat().st_mtime)
    if not found:
        pytest.exit("No jar directory: set WAYBILL_SPARK_JARS, or run `waybill dev up` once.", returncode=2)
    return found[-1].parent


def _java_options(jars: Path) -> str:
    """Options for a short-lived JVM; with the class-data archive of the local world, where there is one."""
    options = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=240m -XX:-DontCompileHugeMethods"
    archives = sorted(jars.parent.glob("class-data-*/spark.jsa"), key=lambda jsa: jsa.stat().st_mtime)
    return f"{options} -XX:SharedArchiveFile={archives[-1]}" if archives else options


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    # Spark's own processes have the environment of the session's start; ministack takes any keys.
    os.environ.update(AWS_ACCESS_KEY_ID="local", AWS_SECRET_ACCESS_KEY="local-only")
    os.environ["TZ"] = "UTC"  # collect() gives timestamps in the zone of the Python process
    time.tzset()
    warehouse = tmp_path_factory.mktemp("warehouse")
    jars = _jars()
    settings = {
        "spark.driver.extraClassPath": f"{jars}/*",
        "spark.driver.extraJavaOptions": _java_options(jars),
        "spark.driver.memory": "1g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.default.parallelism": "2",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
        # Tables of a few rows: compiling a query costs more than running it.
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        # The default local file system writes a checksum file and forks a chmod for every file it creates.
        "spark.hadoop.fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
        "spark.hadoop.fs.AbstractFileSystem.file.impl": "org.apache.hadoop.fs.local.RawLocalFs",
        "spark.sql.warehouse.dir": str(warehouse),
    }
    builder = SparkSession.builder.master("local[2]").appName("waybill jobs tests")
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def job(spark: SparkSession, world: World) -> Callable[..., dict[str, Any]]:
    """Runs a job through its command line and returns what it wrote to --result, with the exit code."""
    from waybill_jobs.cli import main

    def run(name: str, *extra: str, run: str = "run-1", as_of: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
        result = world.root / f"results/{name}.json"
        result.unlink(missing_ok=True)
        arguments = [name, "--lake", world.uri("lake"), "--run", run, "--result", world.uri(f"results/{name}.json")]
        if name in ("bronze", "silver", "ingest_jdbc", "transform"):
            arguments += ["--as-of", as_of]
        if name == "bronze":
            arguments += ["--landing", world.uri("landing")]
        code = main([*arguments, *extra])
        return {**json.loads(result.read_text()), "exit": code}

    return run


@pytest.fixture
def table(spark: SparkSession, world: World) -> Callable[[str], DataFrame]:
    return lambda name: spark.read.format("delta").load(world.uri(f"lake/{name}"))
