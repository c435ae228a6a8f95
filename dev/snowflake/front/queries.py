"""Running and finished statements: found by query id, and by request id so that a resent request runs once."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import OrderedDict
from typing import Any

from .external_files import redacted
from .results import ResultStore

KEPT_QUERIES = 20_000
LARGE_BODY = 64 * 1024

Body = dict[str, Any]


class Query:
    """One statement of one session, from its arrival to its result."""

    def __init__(self, session_id: int, user: str, sql: str, request_id: str | None) -> None:
        self.id = str(uuid.uuid4())
        self.session_id = session_id
        self.user = user
        # As the history and the log show it.
        self.sql = redacted(sql)
        self.request_id = request_id
        self.state = "RUNNING"
        self.error: tuple[str, str] | None = None
        self.started = time.time()
        self.ended: float | None = None
        self.done = threading.Event()
        self._body: Body | None = None

    def finish(self, body: Body, store: ResultStore) -> None:
        if body["success"]:
            self.state = "SUCCESS"
        else:
            self.state = "ABORTED" if body["code"] == "000604" else "FAILED_WITH_ERROR"
            self.error = (str(body["code"]), str(body["message"]))
        self.ended = time.time()
        encoded = json.dumps(body).encode()
        if len(encoded) > LARGE_BODY:
            store.save_body(self.id, encoded)
        else:
            self._body = body
        self.done.set()

    def body(self, store: ResultStore) -> Body | None:
        """The response, or None while running or once a large result was evicted (see `done`)."""
        if self._body is not None:
            return self._body
        encoded = store.body(self.id) if self.done.is_set() else None
        return json.loads(encoded) if encoded else None


class Queries:
    def __init__(self) -> None:
        self._by_id: OrderedDict[str, Query] = OrderedDict()
        self._by_request: dict[tuple[str, str], Query] = {}
        self._guard = threading.Lock()

    def submit(self, session_id: int, user: str, sql: str, request_id: str | None) -> tuple[Query, bool]:
        """The query of this request and whether it is new. Snowflake runs a request id once however often it comes."""
        with self._guard:
            if request_id and (known := self._by_request.get((user, request_id))):
                return known, False
            query = Query(session_id, user, sql, request_id)
            self._by_id[query.id] = query
            if request_id:
                self._by_request[(user, request_id)] = query
            self._evict()
            return query, True

    def find(self, query_id: str) -> Query | None:
        return self._by_id.get(query_id)

    def find_request(self, user: str, request_id: str) -> Query | None:
        return self._by_request.get((user, request_id))

    def _evict(self) -> None:
        while len(self._by_id) > KEPT_QUERIES:
            query_id, query = next(iter(self._by_id.items()))
            if not query.done.is_set():
                self._by_id.move_to_end(query_id)
                return
            del self._by_id[query_id]
            if query.request_id:
                self._by_request.pop((query.user, query.request_id), None)
