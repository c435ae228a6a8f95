"""Starts the Snowflake stand-in: main.py --port P --data-dir D --user U --password-env NAME --public-key F."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from front.app import Front
from front.log import log
from front.settings import Settings


class _Server(uvicorn.Server):
    """uvicorn that says when it is ready, and whose end by a signal is an exit with status 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if sockets and self.started:
            print(json.dumps({"ready": True, "port": sockets[0].getsockname()[1]}), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A Snowflake stand-in over fakesnow (DuckDB), for local runs and tests.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--data-dir", type=Path, required=True, help="databases, stages and load history live here")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password-env", required=True, help="name of the environment variable with the password")
    parser.add_argument("--public-key", type=Path, help="PEM file: the user's public key, for key-pair login")
    parser.add_argument("--oauth-key", type=Path, help="PEM file: the public key of whoever signs OAuth access tokens")
    parser.add_argument("--azure-endpoint", help="blob endpoint of external locations (azure://), without the account")
    parser.add_argument("--storage-integration", action="append", default=[], help="a name STORAGE_INTEGRATION may give")
    parser.add_argument("--s3-endpoint", help="S3 endpoint of external stages (s3://)")
    parser.add_argument("--sync-seconds", type=float, default=45, help="longer statements answer 'in progress'")
    parser.add_argument("--token-seconds", type=float, default=3600, help="life of a session token before renewal")
    parser.add_argument("--idle-transaction-seconds", type=float, default=20, help="idle transactions that block others end")
    return parser.parse_args()


async def _serve(front: Front, listener: socket.socket) -> None:
    config = uvicorn.Config(
        front.app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=2, timeout_keep_alive=75
    )
    server = _Server(config)

    def stop() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGINT, stop)
    await server.serve(sockets=[listener])


def main() -> None:
    arguments = _arguments()
    password = os.environ.get(arguments.password_env)
    if not password:
        sys.exit(f"the environment variable {arguments.password_env} with the password is empty")
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    settings = Settings(
        data_dir=arguments.data_dir.resolve(),
        user=arguments.user,
        password=password,
        public_key=arguments.public_key,
        oauth_key=arguments.oauth_key,
        s3_endpoint=arguments.s3_endpoint,
        azure_endpoint=arguments.azure_endpoint,
        storage_integrations=frozenset(name.upper() for name in arguments.storage_integration),
        sync_seconds=arguments.sync_seconds,
        token_seconds=arguments.token_seconds,
        idle_transaction_seconds=arguments.idle_transaction_seconds,
    )
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", arguments.port))
    front = Front(settings)
    asyncio.run(_serve(front, listener))
    log("stopping")
    # A statement that cannot be interrupted must not keep the process: its transaction was never committed.
    closing = threading.Thread(target=front.close, daemon=True)
    closing.start()
    closing.join(timeout=8)
    # Worker threads of interrupted statements must not hold the process.
    os._exit(0)


if __name__ == "__main__":
    main()
