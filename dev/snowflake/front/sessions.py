"""Sessions: one logged-in client with its engine connection, parameters, temporary objects and transaction."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import duckdb
from fakesnow.conn import FakeSnowflakeConnection

from .engine import Engine
from .log import log
from .settings import Settings
from .transactions import Transactions

# A session nobody uses for this long is closed, as the master token's four hours end.
SESSION_SECONDS = 4 * 3600


@dataclass
class Session:
    id: int
    user: str
    account: str
    client: str
    warehouse: str | None
    role: str | None
    connection: FakeSnowflakeConnection
    engine: Engine
    token: str = ""
    master_token: str = ""
    token_expires: float = 0.0
    parameters: dict[str, Any] = field(default_factory=dict)
    # (database, schema, name) of temporary tables: DuckDB keeps them outside of the database.
    temporary_tables: set[tuple[str, str, str]] = field(default_factory=set)
    temporary_stages: set[tuple[str, str, str]] = field(default_factory=set)
    last_query_id: str | None = None
    last_used: float = field(default_factory=time.monotonic)
    # Statements of one session run one after the other.
    lock: threading.RLock = field(default_factory=threading.RLock)
    running: str | None = None
    cancelled: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.transactions = Transactions(self.duck, self.engine.write_lock, self.is_cancelled)

    @property
    def duck(self) -> duckdb.DuckDBPyConnection:
        return self.connection._duck_conn  # noqa: SLF001

    @property
    def database(self) -> str | None:
        return self.connection.database

    @property
    def schema(self) -> str | None:
        return self.connection.schema if self.connection.schema_set else None

    def is_cancelled(self) -> bool:
        return self.running is not None and self.running in self.cancelled

    def cancel(self, query_id: str) -> None:
        """Ends the statement if it runs, or keeps it from starting."""
        self.cancelled.add(query_id)
        if self.running == query_id:
            self.duck.interrupt()

    def close(self) -> None:
        """What Snowflake does at logout: roll back, drop temporary objects."""
        if self.running:
            self.cancel(self.running)
        with self.lock:
            self.transactions.rollback()
            for database, schema, name in self.temporary_stages:
                shutil.rmtree(self.engine.settings.stages / "named" / database / schema / name, ignore_errors=True)
                for table in ("_fs_stages", "_front_stages"):
                    self.engine.duck_conn.cursor().execute(
                        f"DELETE FROM _fs_global._fs_information_schema.{table} "
                        "WHERE database_name = ? AND schema_name = ? AND name = ?",
                        [database, schema, name],
                    )
            self.connection.close()


class Sessions:
    """Every open session, by its token."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._by_token: dict[str, Session] = {}
        self._guard = threading.Lock()
        self._stop = threading.Event()
        threading.Thread(target=self._watch, name="session-watch", daemon=True).start()

    def open(self, user: str, data: dict[str, Any], query: dict[str, str]) -> Session:
        connection = self._engine.connect_session(query.get("databaseName"), query.get("schemaName"))
        session = Session(
            id=secrets.randbelow(10**12) + 1,
            user=user.upper(),
            account=str(data.get("ACCOUNT_NAME") or "LOCAL").upper(),
            client=str(data.get("CLIENT_APP_ID") or ""),
            warehouse=query.get("warehouse"),
            role=query.get("roleName"),
            connection=connection,
            engine=self._engine,
            parameters={str(k).upper(): v for k, v in (data.get("SESSION_PARAMETERS") or {}).items()},
        )
        if str(session.parameters.get("AUTOCOMMIT", True)).lower() == "false":
            session.transactions.autocommit = False
        if zone := session.parameters.get("TIMEZONE"):
            session.duck.execute("SET TimeZone = ?", [zone])
        self._give_tokens(session)
        return session

    def find(self, token: str | None) -> Session | None:
        session = self._by_token.get(token or "")
        if session:
            session.last_used = time.monotonic()
        return session

    def by_id(self, session_id: int) -> Session | None:
        return next((session for session in list(self._by_token.values()) if session.id == session_id), None)

    def is_expired(self, session: Session) -> bool:
        return time.monotonic() > session.token_expires

    def renew(self, old_token: str, master_token: str) -> Session | None:
        """A new session token for the holder of the master token."""
        session = self._by_token.get(old_token)
        if session is None or not secrets.compare_digest(session.master_token, master_token):
            return None
        with self._guard:
            self._by_token.pop(old_token, None)
        self._give_tokens(session)
        return session

    def close(self, token: str) -> None:
        with self._guard:
            session = self._by_token.pop(token, None)
        if session:
            session.close()

    def close_all(self) -> None:
        self._stop.set()
        for token in list(self._by_token):
            self.close(token)

    def _give_tokens(self, session: Session) -> None:
        session.token = secrets.token_urlsafe(32)
        session.master_token = secrets.token_urlsafe(32)
        session.token_expires = time.monotonic() + self._settings.token_seconds
        with self._guard:
            self._by_token[session.token] = session

    def _watch(self) -> None:
        """Ends forgotten sessions, and transactions that idle while others wait for their locks."""
        idle_limit = self._settings.idle_transaction_seconds
        while not self._stop.wait(timeout=0.5):
            now = time.monotonic()
            for token, session in list(self._by_token.items()):
                idle = now - session.last_used
                blocks = self._engine.write_lock.holds(session.transactions) and self._engine.write_lock.has_waiters
                if blocks and idle > idle_limit and session.lock.acquire(blocking=False):
                    try:
                        if session.running is None:
                            log("transaction aborted", session=session.id, idle_seconds=round(idle))
                            session.transactions.abort_idle(idle)
                    finally:
                        session.lock.release()
                elif idle > SESSION_SECONDS and session.running is None:
                    self.close(token)
