"""The write lock: writers queue for it, as Snowflake's statements queue for table locks."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from .errors import cancelled


class WriteLock:
    """One writer at a time over the whole account, first come first served.

    Snowflake locks tables; DuckDB has optimistic transactions that fail on conflict. One lock, taken before
    the engine's transaction starts, gives what clients rely on: a writer waits, then sees what was committed
    before it (read committed). The price is that writers to different tables queue too.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._owner: object | None = None
        self._queue: deque[object] = deque()

    def acquire(self, owner: object, is_cancelled: Callable[[], bool]) -> None:
        """Blocks until `owner` holds the lock (re-entrant); raises 000604 when the waiting statement is cancelled."""
        with self._condition:
            if self._owner is owner:
                return
            ticket = object()
            self._queue.append(ticket)
            try:
                while self._owner is not None or self._queue[0] is not ticket:
                    if is_cancelled():
                        raise cancelled()
                    self._condition.wait(timeout=0.25)
                self._owner = owner
            finally:
                self._queue.remove(ticket)
                self._condition.notify_all()

    def release(self, owner: object) -> None:
        with self._condition:
            if self._owner is owner:
                self._owner = None
                self._condition.notify_all()

    def holds(self, owner: object) -> bool:
        return self._owner is owner

    @property
    def has_waiters(self) -> bool:
        return bool(self._queue)
