"""Snowflake's CSV rules, record by record, with line numbers: for the dialects and the errors DuckDB's reader cannot tell."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .copy_options import CsvFormat
from .errors import SnowflakeError

_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}


@dataclass
class Record:
    line: int
    fields: list[str | None]
    problem: str | None = None


def is_gzip(file: Path, form: CsvFormat) -> bool:
    if form.compression != "AUTO":
        return form.compression == "GZIP"
    with file.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


def open_bytes(file: Path, form: CsvFormat) -> IO[bytes]:
    return gzip.open(file, "rb") if is_gzip(file, form) else file.open("rb")  # type: ignore[return-value]


def needs_exact_reading(file: Path, form: CsvFormat, columns: int) -> bool:
    """Whether the file must be read here and not by DuckDB's faster reader."""
    if form.escape or form.trim or form.skip_blank_lines or len(form.delimiter) != 1 or columns == 1:
        return True
    special = form.escape_unenclosed.encode() if form.escape_unenclosed else None
    last = b""
    with open_bytes(file, form) as stream:
        while block := stream.read(1 << 20):
            window = last + block
            if (special and special in window) or b"\n\n" in window or b"\n\r\n" in window or b"\0" in window:
                return True
            last = block[-2:]
    return False


def records(file: Path, form: CsvFormat) -> Iterator[Record]:
    """Every record after the header lines. A malformed record has a problem and the fields before it."""
    with open_bytes(file, form) as raw:
        lines = io.TextIOWrapper(io.BufferedReader(raw), encoding="utf-8-sig", newline="")  # type: ignore[arg-type]
        number = 0
        for _ in range(form.skip_header):
            if not lines.readline():
                return
            number += 1
        try:
            while line := lines.readline():
                first = number + 1
                reader = _RecordReader(line, lines, form)
                fields, problem = reader.read()
                number += reader.lines
                if form.skip_blank_lines and reader.lines == 1 and line.strip("\r\n") == "":
                    continue
                yield Record(first, fields, problem)
        except UnicodeDecodeError as error:
            raise SnowflakeError("100144", f"Invalid UTF8 detected in string near line {number + 1}\n  File '{file.name}'", "22000") from error


class _RecordReader:
    def __init__(self, line: str, rest: io.TextIOWrapper, form: CsvFormat) -> None:
        self._text = line
        self._rest = rest
        self._form = form
        self._at = 0
        self.lines = 1

    def read(self) -> tuple[list[str | None], str | None]:
        fields: list[str | None] = []
        form = self._form
        while True:
            if form.trim:
                while self._peek() == " ":
                    self._at += 1
            if form.quote and self._peek() == form.quote:
                value, problem = self._enclosed()
                if problem:
                    return fields, problem
                fields.append(None if value in form.null_if else value)
                if form.trim:
                    while self._peek() == " ":
                        self._at += 1
            else:
                fields.append(self._plain())
            if self._text.startswith(form.delimiter, self._at):
                self._at += len(form.delimiter)
                continue
            remaining = self._text[self._at :]
            if remaining in ("", "\n", "\r\n", "\r"):
                return fields, None
            return fields, f"Found character '{remaining[0]}' instead of field delimiter '{form.delimiter}'"

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _more(self) -> bool:
        line = self._rest.readline()
        if line:
            self._text += line
            self.lines += 1
        return bool(line)

    def _enclosed(self) -> tuple[str, str | None]:
        quote, escape = self._form.quote or "", self._form.escape
        out: list[str] = []
        self._at += 1
        start = self._at
        while True:
            if self._at >= len(self._text):
                if not self._more():
                    return "", "Unterminated quoted field"
                continue
            character = self._text[self._at]
            if escape and character == escape and escape != quote:
                out.append(self._text[start : self._at])
                if self._at + 1 >= len(self._text):
                    self._more()
                following = self._text[self._at + 1 : self._at + 2]
                out.append(_ESCAPES.get(following, following))
                self._at += 2
                start = self._at
            elif character == quote:
                out.append(self._text[start : self._at])
                if self._text[self._at + 1 : self._at + 2] != quote:
                    self._at += 1
                    return "".join(out), None
                out.append(quote)
                self._at += 2
                start = self._at
            else:
                self._at += 1

    def _plain(self) -> str | None:
        form = self._form
        escape = form.escape_unenclosed or form.escape
        out: list[str] = []
        begin = start = self._at
        while self._at < len(self._text):
            character = self._text[self._at]
            if escape and character == escape:
                out.append(self._text[start : self._at])
                following = self._text[self._at + 1 : self._at + 2]
                if following in ("\n", "\r"):
                    self._more()
                out.append(_ESCAPES.get(following, following))
                self._at += 2
                start = self._at
            elif character in "\r\n" or self._text.startswith(form.delimiter, self._at):
                break
            else:
                self._at += 1
        raw = self._text[begin : self._at]
        value = "".join(out) + self._text[start : self._at]
        if form.trim:
            raw, value = raw.strip(" "), value.strip(" ")
        if raw in form.null_if or value in form.null_if or (form.empty_is_null and value == ""):
            return None
        return value


def first_record(file: Path, form: CsvFormat) -> Record | None:
    return next(records(file, form), None)


def write_canonical(file: Path, form: CsvFormat, columns: int, checked: bool, target: Path) -> list[Record]:
    """Writes the well-formed records as plain CSV with the line number first (NULL is an empty field).

    Returns the records that are malformed or, when `checked`, have another number of fields.
    """
    bad: list[Record] = []
    with target.open("w", encoding="utf-8", newline="") as out:
        for record in records(file, form):
            if record.problem is None and checked and len(record.fields) != columns:
                record.problem = (
                    f"Number of columns in file ({len(record.fields)}) does not match that of the corresponding table ({columns}), "
                    "use file format option error_on_column_count_mismatch=false to ignore this error"
                )
            if record.problem is not None:
                bad.append(record)
                continue
            fields = (record.fields + [None] * columns)[:columns]
            cells = ["" if value is None else '"' + value.replace('"', '""') + '"' for value in fields]
            out.write(f"{record.line},{','.join(cells)}\n")
    return bad
