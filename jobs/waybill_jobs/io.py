"""Files by path, through the cluster's own file systems, and work on several tables at a time."""

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from pyspark.sql import DataFrame, SparkSession

T = TypeVar("T")
R = TypeVar("R")


def _path(spark: SparkSession, uri: str) -> tuple[Any, Any]:
    jvm: Any = spark._jvm
    path = jvm.org.apache.hadoop.fs.Path(uri)
    return path.getFileSystem(spark._jsc.hadoopConfiguration()), path


def exists(spark: SparkSession, uri: str) -> bool:
    """Whether a file or directory is there. Any failure other than absence raises."""
    fs, path = _path(spark, uri)
    return bool(fs.exists(path))


def delete(spark: SparkSession, uri: str) -> None:
    """Removes a file or a directory with all it holds; absent is fine."""
    fs, path = _path(spark, uri)
    fs.delete(path, True)


def write_text(spark: SparkSession, uri: str, text: str) -> None:
    """Creates or replaces a small UTF-8 file in one put."""
    fs, path = _path(spark, uri)
    stream = fs.create(path, True)
    try:
        stream.write(bytearray(text.encode("utf-8")))
    finally:
        stream.close()


def read_text(spark: SparkSession, uri: str) -> str:
    """The content of a small UTF-8 file."""
    fs, path = _path(spark, uri)
    stream = fs.open(path)
    jvm: Any = spark._jvm
    try:
        return str(jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8"))
    finally:
        stream.close()


def list_files(spark: SparkSession, uri: str) -> list[tuple[str, int]]:
    """(name, bytes) of the files directly under a directory, by name; empty when it is absent."""
    fs, path = _path(spark, uri)
    if not fs.exists(path):
        return []
    return sorted((s.getPath().getName(), int(s.getLen())) for s in fs.listStatus(path) if s.isFile())


def all_files(spark: SparkSession, uri: str) -> list[str]:
    """Addresses of the files at any depth, but those whose names begin with _ or a dot; in order."""
    fs, path = _path(spark, uri)
    if not fs.exists(path):
        return []
    found = fs.listFiles(path, True)
    files = []
    while found.hasNext():
        one = found.next().getPath()
        if not one.getName().startswith(("_", ".")):
            files.append(str(one.toString()))
    return sorted(files)


def file_names(spark: SparkSession, uri: str) -> set[str]:
    """Names of the files directly under a directory; empty when it is absent."""
    return {name for name, _ in list_files(spark, uri)}


def first_lines(spark: SparkSession, uri: str, count: int) -> list[str]:
    """The first lines of a text file, or none when it is absent; the rest is not read."""
    fs, path = _path(spark, uri)
    if not fs.exists(path):
        return []
    jvm: Any = spark._jvm
    reader = jvm.java.io.BufferedReader(jvm.java.io.InputStreamReader(fs.open(path), "UTF-8"))
    try:
        lines = (reader.readLine() for _ in range(count))
        return [line for line in lines if line is not None]
    finally:
        reader.close()


def rename(spark: SparkSession, source: str, target: str) -> None:
    """Moves a file over whatever is at the target."""
    fs, origin = _path(spark, source)
    _, destination = _path(spark, target)
    fs.delete(destination, False)
    if not fs.rename(origin, destination):
        raise OSError(f"{source} could not be renamed to {target}")


def read_table(spark: SparkSession, path: str, version: int | None = None) -> DataFrame:
    """A Delta table at its newest, or at a given, version."""
    reader = spark.read.format("delta")
    return (reader if version is None else reader.option("versionAsOf", version)).load(path)


def in_parallel(work: Callable[[T], R], items: list[T], threads: int = 3) -> list[R]:
    """Runs independent table jobs side by side, so that one table's commit hides another's listing.

    Results come in the order of the items. The first failure is raised after all have ended.
    """
    with ThreadPoolExecutor(max_workers=threads) as pool:
        futures = [pool.submit(work, item) for item in items]
    return [future.result() for future in futures]


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Says on stderr (the step's log) what was done and how long it took."""
    start = time.monotonic()
    yield
    print(f"waybill {what} {time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
