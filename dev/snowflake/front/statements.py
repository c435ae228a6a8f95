"""One statement: what kind it is, who runs it, under which transaction rule."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, field
from typing import Any

from fakesnow.dialect import parse_one
from fakesnow.statement_type import statement_type_id
from sqlglot import exp

from . import binds, copy_into, ddl, dialect, dml, external_files, load_history, parameters, procedures, put_get, runner, show, stages, streams, tables, unload
from .errors import unsupported
from .results import Result, ResultStore, status
from .sessions import Session

_CREATABLE = {"TABLE", "VIEW", "SEQUENCE", "FILE FORMAT"}
_DROPPABLE = {"TABLE", "VIEW", "SEQUENCE", "SCHEMA"}
_DML = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.MultitableInserts)


@dataclass
class Request:
    """A statement with what came along in the HTTP request."""

    sql: str
    query_id: str
    base_url: str
    stage_token: str
    bindings: binds.Bindings = field(default_factory=dict)
    bind_stage: str | None = None
    describe_only: bool = False


def execute(session: Session, store: ResultStore, request: Request) -> Result:
    """Runs the statement; raises SnowflakeError (or an engine error that errors.py translates)."""
    sql = request.sql.strip().rstrip(";").strip()
    for special in (
        lambda: put_get.transfer(session, sql, request.base_url, request.stage_token),
        lambda: stages.list_or_remove(session, sql),
        lambda: streams.define(session, sql),
        lambda: procedures.define(session, sql),
        lambda: procedures.call(session, request, lambda inner: execute(session, store, inner)),
        lambda: parameters.alter_session(session, sql),
    ):
        if result := special():
            return result
    if result := session.transactions.read(lambda: show.show_primary_keys(session, sql)):
        return result
    sql, order = dialect.numbered_binds(sql) if request.bindings else (sql, [])
    if session.connection.variables._variables and "COPY" not in sql[:200].upper():  # noqa: SLF001
        sql = session.connection.variables.inline_variables(sql)
    access: dict[str, Any] = {}
    if re.match(r"COPY\b", sql, re.I):
        sql, access = external_files.take_access(session.engine.settings, sql)
    tree = parse_one(sql)
    if "SYSTEM$STREAM_" in sql.upper():
        tree = session.transactions.read(lambda: streams.answer_functions(session, tree))
    if request.bind_stage or binds.is_array(request.bindings):
        return session.transactions.write(lambda: _array_insert(session, store, request, tree))
    params = binds.positional(request.bindings, order) if request.bindings else None
    return _Statement(session, store, request, sql, tree, params, access).execute()


def _array_insert(session: Session, store: ResultStore, request: Request, tree: exp.Expression) -> Result:
    """An array bind as one columnar INSERT."""
    rewritten = binds.array_insert(tree)
    staged = None
    if request.bind_stage:
        location = stages.resolve(session, request.bind_stage)
        staged = location.directory / location.path
        columns = binds.staged_columns(staged, len(list(tree.find_all(exp.Placeholder))))
    else:
        columns = binds.array_columns(request.bindings)
    session.duck.register("_bind", columns)
    try:
        cursor = runner.run(session, runner.prepare(session, rewritten), None)
        result = runner.small_result(session, store, request.query_id, cursor, statement_type_id(tree))
    finally:
        session.duck.unregister("_bind")
    if staged:
        session.transactions.after_commit(lambda: shutil.rmtree(staged, ignore_errors=True))
    return result


@dataclass
class _Statement:
    session: Session
    store: ResultStore
    request: Request
    sql: str
    tree: exp.Expression
    params: list[Any] | None
    # What opens the external location of a COPY.
    access: dict[str, Any]

    def execute(self) -> Result:
        session, tree, transactions = self.session, self.tree, self.session.transactions
        if self.request.describe_only:
            return transactions.read(self._describe)
        if isinstance(tree, exp.Transaction):
            transactions.begin()
        elif isinstance(tree, exp.Commit):
            transactions.commit()
        elif isinstance(tree, exp.Rollback):
            transactions.rollback()
        elif isinstance(tree, exp.Query):
            return transactions.read(self._query)
        elif isinstance(tree, exp.Copy):
            return self._copy()
        elif isinstance(tree, exp.TruncateTable):
            return transactions.write(self._truncate)
        elif isinstance(tree, _DML):
            return transactions.write(self._change)
        elif isinstance(tree, exp.Use):
            return ddl.use(session, tree)
        elif isinstance(tree, exp.Create):
            return transactions.define(self._create)
        elif isinstance(tree, exp.Drop):
            return transactions.define(self._drop)
        elif isinstance(tree, exp.Alter):
            return transactions.define(self._alter)
        elif isinstance(tree, exp.Comment):
            return transactions.define(self._run)
        elif isinstance(tree, exp.Describe):
            return transactions.read(self._describe_object)
        elif isinstance(tree, (exp.Show, exp.Set)) or self._unsets_variable() or self._shows_functions():
            return transactions.read(self._run)
        else:
            raise unsupported(" ".join(self.sql.split()[:2]).upper())
        return status("Statement executed successfully.", 0x5000)

    def _change(self) -> Result:
        read = streams.read_by(self.session, self.tree)
        result = dml.run(self.session, self.store, self.request.query_id, self.tree.copy(), self.params)
        streams.advance(self.session, read)
        return result

    def _unsets_variable(self) -> bool:
        return isinstance(self.tree, exp.Alias) and self.sql.upper().startswith("UNSET ")

    def _shows_functions(self) -> bool:
        # dbt asks for them before it builds; sqlglot has no class for the statement, fakesnow answers it.
        return isinstance(self.tree, exp.Command) and bool(re.match(r"SHOW\s+USER\s+FUNCTIONS\b", self.sql, re.I))

    def _run(self) -> Result:
        cursor = runner.run(self.session, runner.prepare(self.session, self.tree.copy()), self.params)
        return runner.small_result(self.session, self.store, self.request.query_id, cursor, statement_type_id(self.tree))

    def _query(self) -> Result:
        tree = runner.prepare(self.session, dialect.name_projections(self.tree.copy()))
        return runner.query(self.session, self.store, self.request.query_id, tree, self.params, 0x1000)

    def _describe(self) -> Result:
        if isinstance(self.tree, exp.Query):
            tree = runner.prepare(self.session, dialect.name_projections(self.tree.copy()))
            return runner.describe(self.session, tree, 0x1000)
        if isinstance(self.tree, _DML):
            return dml.describe(self.tree)
        return status("", statement_type_id(self.tree))

    def _describe_object(self) -> Result:
        kind = str(self.tree.args.get("kind") or "TABLE").upper()
        reference = self.tree.find(exp.Table)
        if kind not in ("TABLE", "VIEW") or reference is None:
            raise unsupported(f"DESCRIBE {kind}")
        if reference.args.get("db") is not None and reference.args["db"].name.upper() == "INFORMATION_SCHEMA":
            return self._run()
        return show.describe_table(self.session, reference)

    def _copy(self) -> Result:
        target = self.tree.this
        to_location = isinstance(target, exp.Table) and isinstance(target.this, (exp.Var, exp.Literal))
        if to_location:
            return self._unload()
        try:
            return self.session.transactions.write(lambda: self._load(exact=False))
        except copy_into.FastReadFailed:
            return self.session.transactions.write(lambda: self._load(exact=True))

    def _unload(self) -> Result:
        session = self.session

        def unloaded() -> Result:
            return unload.copy_into_location(session, self.tree.copy(), self.sql, self.access)

        read = session.transactions.read(lambda: streams.read_by(session, self.tree))
        if not read:
            return session.transactions.read(unloaded)

        def consumed() -> Result:
            result = unloaded()
            streams.advance(session, read)
            return result

        return session.transactions.write(consumed)

    def _load(self, exact: bool) -> Result:
        return copy_into.copy_into_table(self.session, self.tree.copy(), self.sql, self.access, exact)

    def _truncate(self) -> Result:
        for reference in self.tree.expressions:
            table = tables.find(self.session, reference)
            self.session.duck.execute(f"DELETE FROM {table.sql}")
            load_history.forget_table(self.session, table)
        return status("Statement executed successfully.", ddl.DDL_TYPE)

    def _create(self) -> Result:
        session, tree = self.session, self.tree.copy()
        kind = str(tree.args.get("kind")).upper()
        if kind == "DATABASE":
            return ddl.create_database(session, tree)
        if kind == "SCHEMA":
            return ddl.create_schema(session, tree)
        if kind == "STAGE":
            return stages.create(session, tree, self.sql)
        if kind not in _CREATABLE:
            raise unsupported(f"CREATE {kind}")
        if kind != "TABLE":
            return self._run()
        if result := ddl.create_like(session, tree):
            return result
        return self._create_table(tree)

    def _create_table(self, tree: exp.Create) -> Result:
        session = self.session
        reference = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
        name = tables.full_name(session, reference)
        keys = ddl.take_keys(tree)
        temporary = ddl.is_temporary(tree)
        existed = ddl.table_exists(session, name)
        if existed and tree.args.get("exists"):
            return status(f"{name[2]} already exists, statement succeeded.", ddl.DDL_TYPE)
        prepared = runner.prepare(session, tree)
        target = prepared.this.this if isinstance(prepared.this, exp.Schema) else prepared.this
        if temporary:
            # The engine takes temporary tables only without a database and a schema.
            target.set("catalog", None)
            target.set("db", None)
        read = streams.read_by(session, self.tree)
        cursor = runner.run(session, prepared, self.params)
        result = runner.small_result(session, self.store, self.request.query_id, cursor, ddl.DDL_TYPE)
        streams.advance(session, read)
        if temporary:
            session.temporary_tables.add(name)
        else:
            ddl.record_keys(session, name, keys)
            load_history.forget(session, *name)
        return result

    def _drop(self) -> Result:
        session, tree = self.session, self.tree.copy()
        kind = str(tree.args.get("kind")).upper()
        if kind == "DATABASE":
            return ddl.drop_database(session, tree)
        if kind == "STAGE":
            return stages.drop(session, tree)
        if kind not in _DROPPABLE:
            raise unsupported(f"DROP {kind}")
        if kind != "TABLE":
            return self._run()
        return ddl.drop_table(session, tree)

    def _alter(self) -> Result:
        if result := ddl.swap(self.session, self.sql):
            return result
        if str(self.tree.args.get("kind")).upper() not in ("TABLE", "VIEW"):
            raise unsupported(f"ALTER {self.tree.args.get('kind')}")
        renamed = next((action for action in self.tree.args.get("actions") or [] if isinstance(action, exp.AlterRename)), None)
        if renamed is not None and isinstance(self.tree.this, exp.Table):
            return ddl.rename_table(self.session, self.tree.this, renamed.this)
        return self._run()
