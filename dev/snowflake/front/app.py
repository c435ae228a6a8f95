"""The HTTP surface: login, statements, their results, stage files. Bodies and codes are those of Snowflake's drivers."""

from __future__ import annotations

import asyncio
import gzip
import hmac
import json
import re
import secrets
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.parse import unquote

from fakesnow.transforms import SERVER_VERSION
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from . import auth, statements
from .dialect import split_statements
from .engine import Engine
from .errors import SnowflakeError, cancelled, error_body, to_snowflake_error
from .log import log
from .queries import Body, Queries, Query
from .results import Result, ResultStore, status
from .sessions import Session, Sessions
from .settings import Settings

IN_PROGRESS, IN_PROGRESS_ASYNC = "333333", "333334"


def _success(data: Any) -> JSONResponse:
    return JSONResponse({"data": data, "code": None, "message": None, "success": True})


async def _json(request: HttpRequest) -> dict[str, Any]:
    body = await request.body()
    if request.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    return json.loads(body or b"{}")


def _token(request: HttpRequest) -> str | None:
    match = re.search(r'Token="([^"]+)"', request.headers.get("authorization", ""))
    return match[1] if match else None


class Front:
    """One account's server: its sessions, queries and results."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.engine = Engine(settings)
        self.sessions = Sessions(self.engine, settings)
        self.queries = Queries()
        self.store = ResultStore(settings.results)
        # Every statement may wait for the write lock: the pool must never be what they wait for.
        self._workers = ThreadPoolExecutor(max_workers=512, thread_name_prefix="statement")
        self._stage_token = secrets.token_urlsafe(24)
        self.app = Starlette(
            routes=[
                Route("/session/v1/login-request", self._login, methods=["POST"]),
                Route("/session/token-request", self._renew, methods=["POST"]),
                Route("/session/heartbeat", self._heartbeat, methods=["POST"]),
                Route("/session", self._session, methods=["POST"]),
                Route("/queries/v1/query-request", self._query, methods=["POST"]),
                Route("/queries/v1/abort-request", self._abort, methods=["POST"]),
                Route("/queries/{query_id}/abort-request", self._abort, methods=["POST"]),
                Route("/queries/{query_id}/result", self._result, methods=["GET"]),
                Route("/monitoring/queries/{query_id}", self._monitoring, methods=["GET"]),
                Route("/chunks/{query_id}/{number:int}", self._chunk, methods=["GET"]),
                Route("/gcs/stage/{path:path}", self._stage_file, methods=["PUT", "GET", "HEAD"]),
                Route("/telemetry/send", self._telemetry, methods=["POST"]),
            ]
        )

    def close(self) -> None:
        self.sessions.close_all()
        self.engine.close()

    # ---- sessions ----

    async def _login(self, request: HttpRequest) -> Response:
        data = (await _json(request)).get("data") or {}
        try:
            user = await self._in_thread(auth.authenticate, data, self.settings)
            session = await self._in_thread(self.sessions.open, user, data, dict(request.query_params))
        except Exception as error:
            failure = to_snowflake_error(error)
            log("login refused", user=str(data.get("LOGIN_NAME")), code=failure.code)
            refusal = {"nextAction": "RETRY_LOGIN", "authnMethod": "USERNAME_PASSWORD"}
            return JSONResponse({"data": refusal, "success": False, "code": failure.code, "message": failure.message})
        log("login", user=session.user, session=session.id, client=session.client)
        return _success(
            {
                "token": session.token,
                "masterToken": session.master_token,
                "validityInSeconds": int(self.settings.token_seconds),
                "masterValidityInSeconds": 14400,
                "displayUserName": session.user,
                "serverVersion": SERVER_VERSION,
                "firstLogin": False,
                "remMeToken": None,
                "remMeValidityInSeconds": 0,
                "healthCheckInterval": 45,
                "sessionId": session.id,
                "parameters": [
                    {"name": "AUTOCOMMIT", "value": session.transactions.autocommit},
                    {"name": "TIMEZONE", "value": session.parameters.get("TIMEZONE", "Etc/UTC")},
                    {"name": "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY", "value": 3600},
                    {"name": "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD", "value": 65280},
                    {"name": "QUERY_CONTEXT_CACHE_SIZE", "value": 5},
                ],
                "sessionInfo": {
                    "databaseName": session.database,
                    "schemaName": session.schema,
                    "warehouseName": session.warehouse,
                    "roleName": session.role,
                },
                "idToken": None,
            }
        )

    async def _renew(self, request: HttpRequest) -> Response:
        body = await _json(request)
        session = self.sessions.renew(str(body.get("oldSessionToken")), _token(request) or "")
        if session is None:
            return self._gone()
        return _success(
            {
                "sessionToken": session.token,
                "validityInSecondsST": int(self.settings.token_seconds),
                "masterToken": session.master_token,
                "validityInSecondsMT": 14400,
                "sessionId": session.id,
            }
        )

    async def _heartbeat(self, request: HttpRequest) -> Response:
        return self._refused(request) or _success(None)

    async def _session(self, request: HttpRequest) -> Response:
        token = _token(request)
        if self.sessions.find(token) is None:
            return self._gone()
        if request.query_params.get("delete"):
            await self._in_thread(self.sessions.close, token)
        return _success(None)

    async def _telemetry(self, _: HttpRequest) -> Response:
        return _success(None)

    def _gone(self) -> JSONResponse:
        message = "Session no longer exists. New login required to access the service."
        return JSONResponse({"data": None, "code": "390111", "message": message, "success": False})

    def _refused(self, request: HttpRequest) -> JSONResponse | None:
        """The answer to a token that is unknown (log in again) or expired (renew it), or None."""
        session = self.sessions.find(_token(request))
        if session is None:
            return self._gone()
        if self.sessions.is_expired(session):
            message = "Authentication token has expired. The user must authenticate again."
            return JSONResponse({"data": None, "code": "390112", "message": message, "success": False})
        return None

    # ---- statements ----

    async def _query(self, request: HttpRequest) -> Response:
        if refused := self._refused(request):
            return refused
        session = self.sessions.find(_token(request))
        assert session is not None
        body = await _json(request)
        base_url = f"{request.url.scheme}://{request.url.netloc}"
        query, new = self.queries.submit(session.id, session.user, body["sqlText"], request.query_params.get("requestId"))
        if new:
            self._workers.submit(self._work, session, query, body, base_url)
        else:
            log("request repeated", query=query.id, request=query.request_id, retry=request.query_params.get("retryCount"))
        if body.get("asyncExec"):
            return self._progress(query, IN_PROGRESS_ASYNC)
        return await self._answer(query)

    async def _answer(self, query: Query) -> Response:
        """The result, or "in progress" when it takes longer than a driver should hold the connection."""
        await self._until_done(query)
        if not query.done.is_set():
            return self._progress(query, IN_PROGRESS)
        body = await self._in_thread(query.body, self.store)
        if body is None:
            return JSONResponse(error_body(SnowflakeError("000710", f"Result of statement {query.id} is no longer kept.", "02000"), query.id))
        return JSONResponse(body)

    async def _until_done(self, query: Query) -> None:
        """Waits without a thread of its own: short statements answer at once, long ones at 20 ms grain."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.settings.sync_seconds
        pause = 0.001
        while not query.done.is_set() and loop.time() < deadline:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.02)

    def _progress(self, query: Query, code: str) -> JSONResponse:
        data = {"queryId": query.id, "getResultUrl": f"/queries/{query.id}/result", "queryAbortsAfterSecs": 300}
        return JSONResponse({"data": data, "code": code, "message": "Query execution in progress.", "success": True})

    def _work(self, session: Session, query: Query, body: dict[str, Any], base_url: str) -> None:
        """Runs in a worker thread: one request, of one statement or several."""
        try:
            with session.lock:
                answer = self._run_all(session, query, body, base_url)
        except Exception as error:
            answer = self._failure(error, query)
        query.finish(answer, self.store)
        session.cancelled.discard(query.id)
        elapsed = round((query.ended or 0) - query.started, 3)
        log("statement", query=query.id, session=session.id, seconds=elapsed, code=answer["code"], sql=query.sql[:200])

    def _run_all(self, session: Session, query: Query, body: dict[str, Any], base_url: str) -> Body:
        sql = str(body["sqlText"])
        parts = split_statements(sql) if ";" in sql.strip().rstrip(";") else [sql]
        if len(parts) <= 1:
            return self._run(session, query, parts[0] if parts else sql, body, base_url)
        wanted = (body.get("parameters") or {}).get("MULTI_STATEMENT_COUNT", session.parameters.get("MULTI_STATEMENT_COUNT", 1))
        if int(wanted) not in (0, len(parts)):
            raise SnowflakeError("000008", f"Actual statement count {len(parts)} did not match the desired statement count {wanted}.", "0A000")
        children: list[tuple[str, str]] = []
        for part in parts:
            child, _ = self.queries.submit(session.id, session.user, part, None)
            try:
                answer = self._run(session, child, part, {**body, "parameters": body.get("parameters")}, base_url, cancel_id=query.id)
            except Exception as error:
                answer = self._failure(error, child)
            child.finish(answer, self.store)
            if not answer["success"]:
                return answer
            children.append((child.id, str(answer["data"].get("statementTypeId"))))
        result = status("Multiple statements executed successfully.", 0xA000)
        answer = self._rows(session, query, result, base_url)
        answer["data"]["resultIds"] = ",".join(child for child, _ in children)
        answer["data"]["resultTypes"] = ",".join(kind for _, kind in children)
        return answer

    def _run(self, session: Session, query: Query, sql: str, body: dict[str, Any], base_url: str, cancel_id: str | None = None) -> Body:
        session.running = cancel_id or query.id
        limit = (body.get("parameters") or {}).get("STATEMENT_TIMEOUT_IN_SECONDS") or session.parameters.get("STATEMENT_TIMEOUT_IN_SECONDS")
        timer = Timer(float(limit), session.cancel, [session.running]) if limit and float(limit) > 0 else None
        try:
            if session.is_cancelled():
                raise cancelled()
            if timer:
                timer.start()
            request = statements.Request(
                sql=sql,
                query_id=query.id,
                base_url=base_url,
                stage_token=self._stage_token,
                bindings=body.get("bindings") or {},
                bind_stage=body.get("bindStage"),
                describe_only=bool(body.get("describeOnly")),
            )
            result = statements.execute(session, self.store, request)
            session.last_query_id = query.id
            return self._rows(session, query, result, base_url)
        finally:
            if timer:
                timer.cancel()
            session.running = None

    def _failure(self, error: Exception, query: Query) -> Body:
        failure = to_snowflake_error(error)
        if failure.code == "300002":
            log("internal error", query=query.id, trace=traceback.format_exc())
        return error_body(failure, query.id)

    def _rows(self, session: Session, query: Query, result: Result, base_url: str) -> Body:
        data: dict[str, Any]
        if result.transfer is not None:
            data = {**result.transfer, "queryId": query.id, "statementTypeId": result.type_id}
            return {"data": data, "code": None, "message": None, "success": True}
        data = {
            "parameters": [
                {"name": "TIMEZONE", "value": session.parameters.get("TIMEZONE", "Etc/UTC")},
                {"name": "TIMESTAMP_OUTPUT_FORMAT", "value": "YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM"},
                {"name": "TIMESTAMP_NTZ_OUTPUT_FORMAT", "value": "YYYY-MM-DD HH24:MI:SS.FF3"},
                {"name": "DATE_OUTPUT_FORMAT", "value": "YYYY-MM-DD"},
                {"name": "TIME_OUTPUT_FORMAT", "value": "HH24:MI:SS"},
                {"name": "BINARY_OUTPUT_FORMAT", "value": "HEX"},
            ],
            "rowtype": result.columns,
            "rowset": result.rows,
            "total": result.total,
            "returned": result.total,
            "queryId": query.id,
            "statementTypeId": result.type_id,
            "version": 1,
            "queryResultFormat": "json",
            "databaseProvider": None,
            "finalDatabaseName": session.database,
            "finalSchemaName": session.schema,
            "finalWarehouseName": session.warehouse,
            "finalRoleName": session.role,
        }
        if result.chunks:
            # The address itself is the secret, as with Snowflake's signed chunk addresses.
            data["chunks"] = [{"url": f"{base_url}/chunks/{query.id}/{number}", **chunk} for number, chunk in enumerate(result.chunks)]
            data["chunkHeaders"] = {"x-query-id": query.id}
        return {"data": data, "code": None, "message": None, "success": True}

    async def _result(self, request: HttpRequest) -> Response:
        if refused := self._refused(request):
            return refused
        query = self.queries.find(request.path_params["query_id"])
        if query is None:
            return JSONResponse(error_body(SnowflakeError("000709", f"Statement {request.path_params['query_id']} not found", "02000")))
        return await self._answer(query)

    async def _monitoring(self, request: HttpRequest) -> Response:
        if refused := self._refused(request):
            return refused
        query = self.queries.find(request.path_params["query_id"])
        if query is None:
            return _success({"queries": []})
        code, message = query.error or (None, None)
        entry = {
            "id": query.id,
            "status": query.state,
            "state": query.state,
            "sqlText": query.sql,
            "startTime": int(query.started * 1000),
            "endTime": int((query.ended or 0) * 1000),
            "errorCode": code,
            "errorMessage": message,
        }
        return _success({"queries": [entry]})

    async def _abort(self, request: HttpRequest) -> Response:
        if refused := self._refused(request):
            return refused
        session = self.sessions.find(_token(request))
        assert session is not None
        body = await _json(request)
        query_id = request.path_params.get("query_id")
        query = self.queries.find(query_id) if query_id else self.queries.find_request(session.user, str(body.get("requestId")))
        if query is not None and not query.done.is_set():
            owner = session if query.session_id == session.id else self.sessions.by_id(query.session_id)
            if owner:
                owner.cancel(query.id)
        return _success(None)

    async def _chunk(self, request: HttpRequest) -> Response:
        content = self.store.chunk(request.path_params["query_id"], request.path_params["number"])
        if content is None:
            return Response(status_code=403)
        return Response(content, headers={"content-encoding": "gzip", "content-type": "application/octet-stream"})

    # ---- stage files ----

    async def _stage_file(self, request: HttpRequest) -> Response:
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        given = request.query_params.get("token") or bearer
        root = self.settings.stages.resolve()
        file = (root / unquote(request.path_params["path"])).resolve()
        if not hmac.compare_digest(given.encode(), self._stage_token.encode()) or not file.is_relative_to(root):
            return Response(status_code=401)
        if request.method == "PUT":
            await self._receive(request, file)
            return Response(headers={"etag": "stored"})
        if not file.is_file():
            return Response(status_code=404)
        return FileResponse(file, media_type="application/octet-stream", headers=_metadata(file))

    async def _receive(self, request: HttpRequest, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f"{file.name}.part-{uuid.uuid4().hex}")
        try:
            with partial.open("wb") as out:
                async for block in request.stream():
                    out.write(block)
            headers = {name: value for name, value in request.headers.items() if name.startswith("x-goog-meta-")}
            partial.replace(file)
            self._remember(file, headers)
        finally:
            partial.unlink(missing_ok=True)

    def _remember(self, file: Path, headers: dict[str, str]) -> None:
        place = _metadata_file(file)
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps(headers))

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._workers, function, *arguments)


def _metadata_file(file: Path) -> Path:
    return file.parent / ".metadata.part-" / f"{file.name}.json"


def _metadata(file: Path) -> dict[str, str]:
    """The headers that came with an uploaded file (its digest): the driver compares them to skip a repeated PUT."""
    place = _metadata_file(file)
    return json.loads(place.read_text()) if place.is_file() else {}
