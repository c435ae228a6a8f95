"""COPY INTO a location: the rows of a table or query into staged CSV or Parquet files."""

from __future__ import annotations

import gzip
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlglot import exp

from . import dialect, external_files, runner, stages
from .copy_options import CopyOptions, CsvFormat, csv_format, parse
from .dialect import literal, quote
from .errors import SnowflakeError, unsupported
from .results import CHUNK_ROWS, Result, number_column
from .sessions import Session
from .stages import Location

UNLOAD_TYPE = 0x3700
MAX_FILE_SIZE = 16 * 1024 * 1024


def copy_into_location(session: Session, tree: exp.Copy, sql: str, access: dict[str, Any]) -> Result:
    match = re.match(r"\s*COPY\s+INTO\s+('(?:@|s3://|azure://)[^']*'|@(?:\"(?:[^\"]|\"\")+\"|[^\s()\";])+)", sql, re.I)
    if not match:
        raise SnowflakeError("001003", "SQL compilation error:\nCOPY INTO a location needs @stage")
    location = stages.resolve(session, match[1], access)
    options = parse(tree, location.options, loading=False)
    source = tree.args["files"][0]
    query = source.this if isinstance(source, exp.Subquery) else exp.select("*").from_(source)
    inner = runner.translate(session, runner.prepare(session, query))
    described = session.duck.execute(f"DESCRIBE {inner}").fetchall()
    columns = [(str(row[0]), str(row[1])) for row in described]
    with tempfile.TemporaryDirectory(dir=session.engine.settings.work) as directory:
        writer = _Writer(session, options, inner, columns, Path(directory))
        files = writer.parquet() if options.type == "PARQUET" else writer.csv(csv_format(options.format))
        size = sum(file.stat().st_size for file in files)
        _place(session, location, options, files, writer.suffix)
    row: list[str | None] = [str(writer.rows), str(writer.raw_bytes or size), str(size)]
    return Result([number_column(name) for name in ("rows_unloaded", "input_bytes", "output_bytes")], [row], UNLOAD_TYPE)


def _place(session: Session, location: Location, options: CopyOptions, files: list[Path], suffix: str) -> None:
    """Moves finished files to the stage; a reader never sees half of one. OVERWRITE replaces equal names only."""
    prefix = location.path + ("data_" if location.path == "" or location.path.endswith("/") else "")
    if options.flag("SINGLE"):
        names = [prefix.removesuffix("_") if location.path.endswith("/") or not location.path else prefix]
    else:
        names = [f"{prefix}0_{number}_0{suffix}" for number in range(len(files))]
    if not options.flag("OVERWRITE") and files and stages.files(session, location):
        message = f"Files already existing at the unload destination: @{location.stage}/{location.path}. Use overwrite option to force unloading."
        raise SnowflakeError("001037", message, "22000")
    if location.url is not None:
        external_files.push(session.engine.settings, location.url, list(zip(names, files)), location.options or {})
        return
    for name, file in zip(names, files):
        target = location.directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        file.replace(target)


@dataclass
class _Writer:
    session: Session
    options: CopyOptions
    inner: str
    columns: list[tuple[str, str]]
    directory: Path
    rows: int = 0
    raw_bytes: int = 0
    suffix: str = ""

    @property
    def limit(self) -> int:
        return int(self.options.options.get("MAX_FILE_SIZE", MAX_FILE_SIZE))

    def parquet(self) -> list[Path]:
        compression = str(self.options.format.get("COMPRESSION", "AUTO")).lower().replace("auto", "snappy").replace("none", "uncompressed")
        if compression not in ("snappy", "uncompressed"):
            raise unsupported(f"Parquet COMPRESSION {compression}")
        if any(kind == "TIMESTAMP WITH TIME ZONE" for _, kind in self.columns):
            raise SnowflakeError("000002", "Unsupported feature 'TIMESTAMP_TZ/LTZ in PARQUET unload'. Cast it to TIMESTAMP_NTZ.", "0A000")
        self.suffix = ".snappy.parquet" if compression == "snappy" else ".parquet"
        named = self.options.flag("HEADER")
        select = ", ".join(
            (f"CAST({quote(name)} AS DECIMAL(38,0))" if kind in ("HUGEINT", "UBIGINT") else quote(name))
            + f" AS {quote(name if named else f'_COL_{i}')}"
            for i, (name, kind) in enumerate(self.columns)
        )
        source = f"SELECT {select} FROM ({self.inner}) AS t({', '.join(quote(name) for name, _ in self.columns)})"
        settings = f"FORMAT parquet, COMPRESSION {compression}"
        if self.options.flag("SINGLE"):
            file = self.directory / "single"
            self.rows = self._count(f"COPY ({source}) TO {literal(file)} ({settings})")
            return [file] if self.rows else []
        groups = min(122_880, max(2_048, self.limit // 64 // 2_048 * 2_048))
        out = self.directory / "parts"
        command = f"COPY ({source}) TO {literal(out)} ({settings}, ROW_GROUP_SIZE {groups}, FILE_SIZE_BYTES {self.limit}, FILENAME_PATTERN 'part_{{i}}')"
        self.rows = self._count(command)
        return sorted(out.glob("part_*"), key=lambda file: int(re.sub(r"\D", "", file.stem))) if self.rows else []

    def csv(self, form: CsvFormat) -> list[Path]:
        zipped = form.compression in ("AUTO", "GZIP")
        self.suffix = (f".{form.extension}" if form.extension else ".csv") + (".gz" if zipped else "")
        names = [f"c{i}" for i in range(len(self.columns))]
        cells = [_cell(name, kind, form) for name, (_, kind) in zip(names, self.columns)]
        separator = f" || {literal(form.delimiter)} || "
        self.session.duck.execute(f"SELECT {separator.join(cells)} FROM ({self.inner}) AS t({', '.join(names)})")
        header = form.delimiter.join(_enclosed(name, form) for name, _ in self.columns) + "\n" if self.options.flag("HEADER") else ""
        files: list[Path] = []
        out = None
        for batch in self.session.duck.to_arrow_reader(CHUNK_ROWS):
            lines = batch.column(0).to_pylist()
            # About 1 000 lines between looks at the file's size keeps it near MAX_FILE_SIZE.
            for start in range(0, len(lines), 1_000):
                if out is None:
                    files.append(self.directory / f"part_{len(files)}")
                    out = gzip.open(files[-1], "wb", compresslevel=3) if zipped else files[-1].open("wb")
                    out.write(header.encode())
                text = ("\n".join(lines[start : start + 1_000]) + "\n").encode()
                self.raw_bytes += len(text)
                out.write(text)
                if not self.options.flag("SINGLE") and files[-1].stat().st_size >= self.limit:
                    out.close()
                    out = None
            self.rows += len(lines)
        if out is not None:
            out.close()
        return files

    def _count(self, command: str) -> int:
        row = self.session.duck.execute(command).fetchone()
        return int(row[0]) if row else 0


def _enclosed(text: str, form: CsvFormat) -> str:
    return text if form.quote is None else form.quote + text.replace(form.quote, form.quote * 2) + form.quote


def _cell(name: str, kind: str, form: CsvFormat) -> str:
    """SQL for one field's text: strings enclosed (or escaped when nothing encloses), NULL as the first NULL_IF."""
    text = f"memory.main.sf_to_varchar({name})"
    if kind.startswith("TIMESTAMP") and form.timestamp_format.upper() != "AUTO":
        text = f"strftime({name}, {literal(dialect.strftime_format(form.timestamp_format))})"
    if kind == "DATE" and form.date_format.upper() != "AUTO":
        text = f"strftime({name}, {literal(dialect.strftime_format(form.date_format))})"
    if kind in ("VARCHAR", "JSON", "UUID"):
        if kind == "JSON":
            text = f"CAST({name} AS VARCHAR)"
        if form.quote:
            mark = literal(form.quote)
            text = f"{mark} || replace({text}, {mark}, {literal(form.quote * 2)}) || {mark}"
        elif form.escape_unenclosed:
            sign = form.escape_unenclosed
            for special in (sign, form.delimiter):
                text = f"replace({text}, {literal(special)}, {literal(sign + special)})"
            text = f"replace(replace({text}, chr(10), {literal(sign + 'n')}), chr(13), {literal(sign + 'r')})"
    null = form.null_if[0] if form.null_if else ""
    return f"coalesce({text}, {literal(null)})"
