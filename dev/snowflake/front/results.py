"""Query results in the JSON form Snowflake's drivers read: first rows inline, the rest as compressed chunks on disk."""

from __future__ import annotations

import gzip
import json
import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from fakesnow.rowtype import describe_as_rowtype, duckdb_to_sf_type

INLINE_ROWS = 1_000
CHUNK_ROWS = 50_000
KEPT_BYTES = 512 * 1024 * 1024

ColumnInfo = dict[str, Any]
Row = list[str | None]

duckdb_to_sf_type.update(
    {
        "SMALLINT": "fixed",
        "TINYINT": "fixed",
        "UINTEGER": "fixed",
        "UHUGEINT": "fixed",
        "FLOAT": "real",
        "TIMESTAMP_S": "timestamp_ntz",
        "TIMESTAMP_MS": "timestamp_ntz",
        "UUID": "text",
        "INTERVAL": "text",
    }
)


def text_column(name: str) -> ColumnInfo:
    return {
        "name": name,
        "type": "text",
        "length": 16777216,
        "byteLength": 16777216,
        "precision": None,
        "scale": None,
        "nullable": True,
        "database": "",
        "schema": "",
        "table": "",
        "collation": None,
    }


def number_column(name: str) -> ColumnInfo:
    return {**text_column(name), "type": "fixed", "length": None, "byteLength": None, "precision": 38, "scale": 0}


@dataclass
class Result:
    """What a statement answers with, before it becomes a response."""

    columns: list[ColumnInfo]
    rows: list[Row]
    type_id: int
    total: int = -1
    chunks: list[dict[str, int]] = field(default_factory=list)
    # PUT and GET answer with instructions to the driver instead of rows.
    transfer: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.total < 0:
            self.total = len(self.rows)


def status(message: str, type_id: int) -> Result:
    return Result([text_column("status")], [[message]], type_id)


def column_infos(description: Iterable[tuple[Any, ...]]) -> list[ColumnInfo]:
    """Snowflake's column metadata from a DuckDB cursor description."""
    described = [(column[0], str(column[1]), None, None, None, None) for column in description]
    infos: list[ColumnInfo] = [dict(info) for info in describe_as_rowtype(described)]
    return infos


def _encoded(index: int, kind: str) -> str:
    column = f"c{index}"
    if kind == "boolean":
        return f"CASE WHEN {column} THEN '1' WHEN NOT {column} THEN '0' END"
    if kind == "date":
        return f"CAST({column} - DATE '1970-01-01' AS VARCHAR)"
    if kind.startswith("time"):
        seconds = f"CAST(CAST(CAST(epoch_us({column}) AS DECIMAL(20,0)) * CAST(0.000001 AS DECIMAL(7,6)) AS DECIMAL(29,9)) AS VARCHAR)"
        return f"{seconds} || ' 1440'" if kind == "timestamp_tz" else seconds
    if kind == "binary":
        return f"hex({column})"
    return f"CAST({column} AS VARCHAR)"


class ResultStore:
    """Chunks of finished queries, in files; the oldest queries go when the total passes KEPT_BYTES."""

    def __init__(self, directory: Path) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self._directory = directory
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._guard = threading.Lock()
        self._encoder = duckdb.connect(":memory:", config={"threads": "1"})
        self._encoder.execute("SET GLOBAL TimeZone = 'UTC'")

    def encode(self, query_id: str, columns: list[ColumnInfo], batches: Iterable[pa.RecordBatch], type_id: int) -> Result:
        """Turns Arrow batches into rows and chunks; holds one batch in memory at a time."""
        connection = self._encoder.cursor()
        result = Result(columns, [], type_id, total=0)
        names = [f"c{i}" for i in range(len(columns))]
        select = ", ".join(_encoded(i, column["type"]) for i, column in enumerate(columns))
        try:
            for batch in batches:
                if not batch.num_rows:
                    continue
                connection.register("batch", pa.Table.from_batches([batch]).rename_columns(names))
                lines = [row for (row,) in connection.execute(f"SELECT CAST(to_json([{select}]) AS VARCHAR) FROM batch").fetchall()]
                connection.unregister("batch")
                result.total += len(lines)
                free = INLINE_ROWS - len(result.rows) if not result.chunks else 0
                result.rows.extend(json.loads(line) for line in lines[:free])
                for start in range(free, len(lines), CHUNK_ROWS):
                    self._write_chunk(query_id, result, lines[start : start + CHUNK_ROWS])
        finally:
            connection.close()
        return result

    def chunk(self, query_id: str, number: int) -> bytes | None:
        file = self._directory / query_id / f"{number}.gz"
        return file.read_bytes() if query_id in self._sizes and file.is_file() else None

    def save_body(self, query_id: str, body: bytes) -> None:
        directory = self._directory / query_id
        directory.mkdir(exist_ok=True)
        (directory / "body.json").write_bytes(body)
        self._account(query_id, len(body))

    def body(self, query_id: str) -> bytes | None:
        file = self._directory / query_id / "body.json"
        return file.read_bytes() if file.is_file() else None

    def _write_chunk(self, query_id: str, result: Result, lines: list[str]) -> None:
        raw = ",".join(lines).encode()
        packed = gzip.compress(raw, 1)
        directory = self._directory / query_id
        directory.mkdir(exist_ok=True)
        (directory / f"{len(result.chunks)}.gz").write_bytes(packed)
        result.chunks.append({"rowCount": len(lines), "uncompressedSize": len(raw), "compressedSize": len(packed)})
        self._account(query_id, len(packed))

    def _account(self, query_id: str, size: int) -> None:
        with self._guard:
            self._sizes[query_id] = self._sizes.get(query_id, 0) + size
            while sum(self._sizes.values()) > KEPT_BYTES and len(self._sizes) > 1:
                oldest = next(name for name in self._sizes if name != query_id)
                del self._sizes[oldest]
                shutil.rmtree(self._directory / oldest, ignore_errors=True)
