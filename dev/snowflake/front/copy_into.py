"""COPY INTO a table from staged files: CSV, Parquet, JSON; with transformation, load history and ON_ERROR."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
from sqlglot import exp

from . import conversions, csv_records, load_history, runner, stages, tables
from .copy_options import CopyOptions, CsvFormat, csv_format, parse
from .dialect import identifier, literal, quote
from .errors import SnowflakeError, to_snowflake_error, unsupported
from .results import Result, Row, number_column, status, text_column
from .sessions import Session
from .stages import Location, StageFile
from .tables import Table

COPY_TYPE = 0x3600
_SOURCE = "_front_source"
_HINT = (
    "If you would like to continue loading when an error is encountered, use other values such as 'SKIP_FILE' or "
    "'CONTINUE' for the ON_ERROR option. For more information on loading options, please run 'info loading_data' in a SQL client."
)


class FastReadFailed(Exception):
    """DuckDB's reader or a conversion refused a file: run again with the exact reader, which knows line and column."""


@dataclass
class Outcome:
    """What became of one file."""

    loaded: int
    parsed: int
    errors: int = 0
    first_error: str | None = None
    first_line: int | None = None
    first_column: str | None = None


def source_reference(sql: str) -> str:
    """The `@stage/path` or external address after FROM."""
    match = re.search(r"\bFROM\s*(?:\(.*?\bFROM\s*)?('(?:@|s3://|azure://)[^']*'|@(?:\"(?:[^\"]|\"\")+\"|[^\s()\";])+)", sql, re.I | re.S)
    if not match:
        raise SnowflakeError("001003", "SQL compilation error:\nCOPY INTO a table needs FROM @stage")
    return match[1].strip("'")


def copy_into_table(session: Session, tree: exp.Copy, sql: str, access: dict[str, Any], exact: bool) -> Result:
    """Loads the location's files; raises FastReadFailed (with `exact` unset) when a file needs the exact reader."""
    location = stages.resolve(session, source_reference(sql), access)
    options = parse(tree, location.options, loading=True)
    target = tree.this
    names: list[str] | None = None
    if isinstance(target, exp.Schema):
        names = [identifier(item) for item in target.expressions]
        target = target.this
    table = tables.find(session, target)
    source = tree.args["files"][0]
    select = source.this if isinstance(source, exp.Subquery) else None
    if select is not None and location.direct:
        raise unsupported("transformation of files of an external location: name a stage")
    copy = _Copy(session, table, names or [column.name for column in table.columns], location, options, select, exact)
    return copy.run()


@dataclass
class _Copy:
    session: Session
    table: Table
    names: list[str]
    location: Location
    options: CopyOptions
    select: exp.Select | None
    exact: bool

    @property
    def on_error(self) -> str:
        return str(self.options.options.get("ON_ERROR", "ABORT_STATEMENT")).upper()

    def run(self) -> Result:
        if not re.fullmatch(r"ABORT_STATEMENT|CONTINUE|SKIP_FILE", self.on_error):
            raise unsupported(f"ON_ERROR = {self.on_error}")
        rows: list[Row] = []
        history = load_history.loaded(self.session, self.table)
        for file in self._files():
            name = stages.display(self.location, file)
            etag = stages.etag(file.local)
            if (name, etag) in history and not self.options.flag("FORCE"):
                continue
            outcome = self._load(file, name)
            state = "LOADED" if not outcome.errors else "PARTIALLY_LOADED" if outcome.loaded else "LOAD_FAILED"
            if state != "LOAD_FAILED":
                load_history.record(self.session, self.table, name, etag, state, outcome.loaded, outcome.parsed)
                if self.options.flag("PURGE") and state == "LOADED":
                    self.session.transactions.after_commit(lambda file=file: stages.remove(self.session, self.location, file))
            limit = outcome.parsed if self.on_error == "CONTINUE" else 1
            rows.append(
                [
                    name,
                    state,
                    str(outcome.parsed),
                    str(outcome.loaded),
                    str(limit),
                    str(outcome.errors),
                    outcome.first_error,
                    None if outcome.first_line is None else str(outcome.first_line),
                    None,
                    outcome.first_column,
                ]
            )
        if not rows:
            return status("Copy executed with 0 files processed.", COPY_TYPE)
        columns = [text_column("file"), text_column("status")]
        columns += [number_column(name) for name in ("rows_parsed", "rows_loaded", "error_limit", "errors_seen")]
        columns += [text_column("first_error"), number_column("first_error_line"), number_column("first_error_character")]
        return Result([*columns, text_column("first_error_column_name")], rows, COPY_TYPE)

    def _files(self) -> list[StageFile]:
        wanted = self.options.options.get("FILES")
        if not wanted:
            return stages.matching(stages.files(self.session, self.location), self.options.options.get("PATTERN"))
        base = self.location.path if not self.location.path or self.location.path.endswith("/") else self.location.path + "/"
        present = {file.relative: file for file in stages.files(self.session, self.location)}
        found: list[StageFile] = []
        for name in [wanted] if isinstance(wanted, str) else wanted:
            file = present.get(base + name) or present.get(self.location.path + name)
            if file:
                found.append(file)
            elif self.on_error == "ABORT_STATEMENT":
                message = f"Remote file '{base + name}' was not found. There are several potential causes. The file might not exist."
                raise SnowflakeError("091016", message, "22000")
        return found

    def _load(self, file: StageFile, name: str) -> Outcome:
        kind = self.options.type
        if kind == "CSV":
            return self._load_csv(file, name, csv_format(self.options.format))
        try:
            columns, query = self._parquet(file, name) if kind == "PARQUET" else self._json(file)
            return self._insert(columns, query)
        except duckdb.Error as error:
            failure = to_snowflake_error(error)
            raise SnowflakeError(failure.code, f"{failure.message}\n  File '{name}'\n  {_HINT}", failure.sql_state) from error

    def _insert(self, columns: list[str], query: str) -> Outcome:
        into = f"INSERT INTO {self.table.sql} ({', '.join(map(quote, columns))})"
        row = self.session.duck.execute(f"{into} {query}").fetchone()
        count = int(row[0]) if row else 0
        return Outcome(loaded=count, parsed=count)

    # ---- CSV ----

    def _load_csv(self, file: StageFile, name: str, form: CsvFormat) -> Outcome:
        count = len(self.names)
        if self.select is not None:
            first = csv_records.first_record(file.local, form)
            count = max(len(first.fields) if first else 0, _last_position(self.select), 1)
        simple = self.on_error == "ABORT_STATEMENT" and not self.exact and form.check_count
        if simple and not csv_records.needs_exact_reading(file.local, form, count):
            try:
                return self._insert(self.names, self._csv_query(self._fast_source(file.local, form, count), name, form))
            except duckdb.InterruptException:
                raise
            except duckdb.Error as error:
                raise FastReadFailed from error
        with tempfile.TemporaryDirectory(dir=self.session.engine.settings.work) as directory:
            return self._load_exactly(file, name, form, count, Path(directory) / "canonical.csv")

    def _fast_source(self, file: Path, form: CsvFormat, count: int) -> str:
        columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(count))
        enclosing = f"quote={literal(form.quote or '')}, escape={literal(form.quote or '')}"
        compression = "gzip" if csv_records.is_gzip(file, form) else "none"
        null = "" if form.empty_is_null else "\x01\x02\x03"
        read = (
            f"read_csv({literal(file)}, header=false, auto_detect=false, all_varchar=true, delim={literal(form.delimiter)}, {enclosing}, "
            f"nullstr={literal(null)}, allow_quoted_nulls=false, strict_mode=true, null_padding=false, max_line_size=33554432, "
            f"skip={form.skip_header}, compression='{compression}', columns={{{columns}}})"
        )
        nulls = [text for text in form.null_if if text or not form.empty_is_null or form.quote]
        if not nulls:
            return f"(SELECT *, NULL::BIGINT AS line FROM {read})"
        listed = ", ".join(literal(text) for text in nulls)
        cells = ", ".join(f"CASE WHEN c{i} IN ({listed}) THEN NULL ELSE c{i} END AS c{i}" for i in range(count))
        return f"(SELECT {cells}, NULL::BIGINT AS line FROM {read})"

    def _csv_query(self, source: str, name: str, form: CsvFormat) -> str:
        if self.select is None:
            values = [conversions.from_text(f"c{i}", self.table.column(column), form) for i, column in enumerate(self.names)]
            return f"SELECT {', '.join(values)} FROM {source}"
        select = self.select.copy()
        for node in list(select.find_all(exp.Parameter)):
            parent = node.parent if isinstance(node.parent, exp.Column) else node
            column = exp.column(exp.to_identifier(f"c{int(node.name) - 1}", quoted=True))
            parent.replace(column)
        return self._transformed(select, source, name)

    def _transformed(self, select: exp.Select, source: str, name: str) -> str:
        """The query of `FROM (SELECT ... FROM @stage)`, its expressions in Snowflake's SQL."""
        if len(select.expressions) != len(self.names):
            message = f"SQL compilation error:\nInsert value list does not match column list expecting {len(self.names)} but got {len(select.expressions)}"
            raise SnowflakeError("002020", message, "21S01")
        for node in list(select.find_all(exp.Column)):
            if node.name.upper() == "METADATA$FILENAME":
                node.replace(exp.Literal.string(name))
            elif node.name.upper() == "METADATA$FILE_ROW_NUMBER":
                raise unsupported("METADATA$FILE_ROW_NUMBER")
        select.set("from_", exp.From(this=exp.to_table(quote(_SOURCE), dialect="snowflake")))
        sql = runner.translate(self.session, runner.prepare(self.session, select)).replace(quote(_SOURCE), f"{source} AS {quote(_SOURCE)}")
        names = ", ".join(f"v{i}" for i in range(len(self.names)))
        form = csv_format(self.options.format) if self.options.type == "CSV" else csv_format({})
        casts = ", ".join(conversions.from_any(f"v{i}", self.table.column(column), form) for i, column in enumerate(self.names))
        return f"SELECT {casts} FROM ({sql}) AS t({names})"

    def _load_exactly(self, file: StageFile, name: str, form: CsvFormat, count: int, canonical: Path) -> Outcome:
        checked = form.check_count and self.select is None
        malformed = csv_records.write_canonical(file.local, form, count, checked, canonical)
        columns = ", ".join(["'line': 'BIGINT'", *(f"'c{i}': 'VARCHAR'" for i in range(count))])
        source = (
            f"read_csv({literal(canonical)}, header=false, auto_detect=false, delim=',', quote='\"', escape='\"', nullstr='', "
            f"allow_quoted_nulls=false, strict_mode=true, max_line_size=33554432, compression='none', columns={{{columns}}})"
        )
        if self.select is not None:
            return self._transform_exactly(source, name, form, malformed)
        bad = " OR ".join(
            f"(c{i} IS NOT NULL AND TRY({conversions.from_text(f'c{i}', column, form)}) IS NULL)"
            + ("" if column.nullable else f" OR c{i} IS NULL")
            for i, column in enumerate(map(self.table.column, self.names))
        )
        row = self.session.duck.execute(f"SELECT count(*), count(*) FILTER (WHERE {bad}) FROM {source}").fetchone()
        total, unconverted = (int(row[0]), int(row[1])) if row else (0, 0)
        errors = unconverted + len(malformed)
        parsed = total + len(malformed)
        if not errors:
            return self._insert(self.names, self._csv_query(source, name, form))
        code, message, state, line, column = self._first_error(source, bad, form, malformed)
        if self.on_error == "ABORT_STATEMENT":
            raise self._failure(code, message, state, name, line, column)
        outcome = Outcome(0, parsed, errors, message, line, None if column is None else self._label(column))
        if self.on_error == "CONTINUE":
            good = f"(SELECT * FROM {source} WHERE NOT coalesce(({bad}), false))"
            outcome.loaded = self._insert(self.names, self._csv_query(good, name, form)).loaded
        return outcome

    def _first_error(
        self, source: str, bad: str, form: CsvFormat, malformed: list[csv_records.Record]
    ) -> tuple[str, str, str, int, int | None]:
        row = self.session.duck.execute(f"SELECT * FROM {source} WHERE {bad} ORDER BY line LIMIT 1").fetchone()
        if malformed and (row is None or malformed[0].line < row[0]):
            code = "100080" if "Number of columns" in str(malformed[0].problem) else "100016"
            return code, str(malformed[0].problem), "22000", malformed[0].line, None
        assert row is not None
        for position, name in enumerate(self.names):
            column, value = self.table.column(name), row[position + 1]
            if value is None and not column.nullable:
                return "100072", f"NULL result in a non-nullable column ({name})", "22000", int(row[0]), position
            query = f"SELECT TRY({conversions.from_text('v', column, form)}) IS NULL FROM (SELECT ?::VARCHAR AS v)"
            if value is not None and self.session.duck.execute(query, [value]).fetchone() == (True,):
                return *conversions.problem_of(column, str(value)), int(row[0]), position
        raise SnowflakeError("300002", "A row was refused but none of its columns was", "XX000")

    def _transform_exactly(self, source: str, name: str, form: CsvFormat, malformed: list[csv_records.Record]) -> Outcome:
        """With a transformation only ABORT_STATEMENT is possible here: which of its expressions failed is not known."""
        if self.on_error != "ABORT_STATEMENT":
            raise unsupported(f"ON_ERROR = {self.on_error} with a transformation")
        if malformed:
            raise self._failure("100016", str(malformed[0].problem), "22000", name, malformed[0].line, None)
        query = self._csv_query(source, name, form)
        try:
            return self._insert(self.names, query)
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            failure = to_snowflake_error(error)
            raise self._failure(failure.code, failure.message, failure.sql_state, name, None, None) from error

    def _label(self, position: int) -> str:
        return f'"{self.table.name}"["{self.names[position]}":{position + 1}]'

    def _failure(self, code: str, message: str, state: str, name: str, line: int | None, column: int | None) -> SnowflakeError:
        where = f"\n  File '{name}'" + (f", line {line}" if line is not None else "")
        where += f"\n  Row {line}, column {self._label(column)}" if column is not None else ""
        return SnowflakeError(code, f"{message}{where}\n  {_HINT}", state)

    # ---- Parquet and JSON ----

    def _parquet(self, file: StageFile, name: str) -> tuple[list[str], str]:
        as_text = str(self.options.format.get("BINARY_AS_TEXT", True)).upper() != "FALSE"
        read = f"read_parquet({literal(file.local)}, binary_as_string={str(as_text).lower()})"
        described = self.session.duck.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()
        present = [str(row[0]) for row in described]
        if self.select is not None:
            return self.names, self._transformed(_parquet_paths(self.select.copy(), present), f"(SELECT * FROM {read})", name)
        match = str(self.options.options.get("MATCH_BY_COLUMN_NAME", "NONE")).upper()
        if match in ("CASE_SENSITIVE", "CASE_INSENSITIVE"):
            fold = str if match == "CASE_SENSITIVE" else str.upper
            by_name = {fold(column): column for column in present}
            names = [column for column in self.names if fold(column) in by_name]
            if not names:
                raise SnowflakeError("100081", f"No column of file '{name}' matches a column of table {self.table.name}", "22000")
            casts = [f"CAST({quote(by_name[fold(column)])} AS {self.table.column(column).type})" for column in names]
            return names, f"SELECT {', '.join(casts)} FROM {read}"
        if len(self.names) == 1 and self.table.column(self.names[0]).type == "JSON":
            return self.names, f"SELECT to_json(t) FROM {read} AS t"
        message = (
            "SQL compilation error:\nPARQUET file format can produce one and only one column of type variant, object, or array. "
            "Load data into separate columns using the MATCH_BY_COLUMN_NAME copy option or copy with transformation."
        )
        raise SnowflakeError("002019", message, "0A000")

    def _json(self, file: StageFile) -> tuple[list[str], str]:
        if self.select is not None or len(self.names) != 1 or self.table.column(self.names[0]).type != "JSON":
            raise unsupported("COPY INTO from JSON other than into one VARIANT column")
        return self.names, f"SELECT json FROM read_json_objects({literal(file.local)}, format='auto', compression='auto_detect')"


def _last_position(select: exp.Select) -> int:
    return max((int(node.name) for node in select.find_all(exp.Parameter) if node.name.isdigit()), default=0)


def _parquet_paths(select: exp.Select, present: list[str]) -> exp.Select:
    """`$1:NAME` becomes the file's column; a name the file does not have is NULL, as in Snowflake."""
    for node in list(select.find_all(exp.JSONExtract)):
        root = node.this.this if isinstance(node.this, exp.Column) else node.this
        if not isinstance(root, exp.Parameter):
            continue
        path = [part for part in node.expression.expressions if not isinstance(part, exp.JSONPathRoot)]
        if len(path) != 1 or not isinstance(path[0], exp.JSONPathKey):
            raise unsupported(f"path {node.sql(dialect='snowflake')} in a COPY transformation")
        name = path[0].this
        node.replace(exp.column(exp.to_identifier(name, quoted=True)) if name in present else exp.null())
    if any(True for _ in select.find_all(exp.Parameter)):
        raise unsupported("$1 without a column name in a COPY transformation of PARQUET files")
    return select
