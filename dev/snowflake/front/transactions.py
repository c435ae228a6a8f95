"""Snowflake's transaction rules over DuckDB's: read committed, queueing writers, statements that fail alone."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import TypeVar

import duckdb

from .errors import SnowflakeError
from .locks import WriteLock

Result = TypeVar("Result")
_ids = itertools.count(int(time.time() * 1000))


class Transactions:
    """The transaction state of one session.

    BEGIN only notes the intent. The engine's transaction starts with the first write, under the write lock:
    reads before it see what others commit (as in Snowflake) and its snapshot includes every earlier commit, so it
    never conflicts. DuckDB aborts a transaction whose statement fails, Snowflake does not: on a failure the
    engine's transaction is rolled back and the statements that had succeeded are run again (the lock is held
    all along, so they see the same tables; only RANDOM, UUID, clock and sequence values may differ).
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, lock: WriteLock, is_cancelled: Callable[[], bool]) -> None:
        self._connection = connection
        self._lock = lock
        self._is_cancelled = is_cancelled
        self._writes: list[Callable[[], object]] = []
        self._after_commit: list[Callable[[], None]] = []
        self._started = False
        self._aborted: SnowflakeError | None = None
        self.id: int | None = None
        self.autocommit = True

    @property
    def active(self) -> bool:
        return self.id is not None

    def begin(self) -> None:
        """Starts an explicit transaction; inside one it changes nothing, as in Snowflake."""
        self._raise_if_aborted()
        if not self.active:
            self.id = next(_ids)

    def commit(self) -> None:
        """Makes the writes durable and visible; without a transaction it does nothing."""
        self._raise_if_aborted()
        try:
            if self._started:
                self._connection.execute("COMMIT")
        finally:
            finished = self._end()
        for action in finished:
            action()

    def rollback(self) -> None:
        self._aborted = None
        try:
            if self._started:
                self._connection.execute("ROLLBACK")
        finally:
            self._end()

    def abort_idle(self, seconds: float) -> None:
        """Rolls back and makes the session's next statement fail, so that a late COMMIT never looks like a success."""
        transaction = self.id
        self.rollback()
        self._aborted = SnowflakeError(
            "000604",
            f"SQL execution canceled: transaction {transaction} was rolled back, it was idle for {seconds:.0f} s "
            "while other sessions waited for its locks",
            "57014",
        )

    def read(self, run: Callable[[], Result]) -> Result:
        self._raise_if_aborted()
        try:
            return run()
        except BaseException:
            self._recover()
            raise

    def write(self, run: Callable[[], Result]) -> Result:
        """Runs one DML statement: alone in a transaction of its own, or as a part of the open one."""
        self._raise_if_aborted()
        if not self.active and not self.autocommit:
            self.begin()
        if self.active:
            return self._write_in_transaction(run)
        self._lock.acquire(self, self._is_cancelled)
        try:
            self._connection.execute("BEGIN")
            try:
                result = run()
                self._connection.execute("COMMIT")
            except BaseException:
                self._rollback_quietly()
                raise
        finally:
            finished = self._end()
        for action in finished:
            action()
        return result

    def define(self, run: Callable[[], Result]) -> Result:
        """Runs one DDL statement. It commits the open transaction first, as in Snowflake."""
        self.commit()
        self._lock.acquire(self, self._is_cancelled)
        try:
            return run()
        finally:
            self._lock.release(self)

    def after_commit(self, action: Callable[[], None]) -> None:
        """Registers work outside the database that may happen only once the rows are durable (PURGE)."""
        self._after_commit.append(action)

    def _write_in_transaction(self, run: Callable[[], Result]) -> Result:
        if not self._started:
            self._lock.acquire(self, self._is_cancelled)
            self._connection.execute("BEGIN")
            self._started = True
        pending = len(self._after_commit)
        try:
            result = run()
        except BaseException:
            del self._after_commit[pending:]
            self._recover()
            raise
        self._writes.append(run)
        return result

    def _recover(self) -> None:
        if not self._started:
            return
        self._rollback_quietly()
        self._connection.execute("BEGIN")
        actions = list(self._after_commit)
        for write in self._writes:
            write()
        self._after_commit = actions

    def _end(self) -> list[Callable[[], None]]:
        actions, self._after_commit = self._after_commit, []
        self._writes = []
        self._started = False
        self.id = None
        self._lock.release(self)
        return actions

    def _rollback_quietly(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.Error:
            pass  # DuckDB has already given the transaction up

    def _raise_if_aborted(self) -> None:
        if self._aborted:
            error, self._aborted = self._aborted, None
            raise error
