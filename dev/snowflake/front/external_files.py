"""Files of external locations (s3://, azure://) by one set of functions, and what a COPY statement says of the way in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from . import azure_files, s3_files
from .errors import SnowflakeError
from .settings import Settings

SCHEMES = ("s3://", "azure://")

_ACCESS = re.compile(
    r"\s*\b(?:CREDENTIALS\s*=\s*\((?P<credentials>(?:[^()']|'(?:[^'\\]|''|\\.)*')*)\)|STORAGE_INTEGRATION\s*=\s*(?P<integration>\"?\w+\"?))",
    re.I,
)
_SECRETS = re.compile(r"\b(AWS_KEY_ID|AWS_SECRET_KEY|AWS_TOKEN|AZURE_SAS_TOKEN)(\s*=\s*)'(?:[^'\\]|''|\\.)*'", re.I)


def redacted(sql: str) -> str:
    """The statement as Snowflake's query history shows it: without what CREDENTIALS holds."""
    return _SECRETS.sub(r"\1\2'***'", sql)


def take_access(settings: Settings, sql: str) -> tuple[str, dict[str, Any]]:
    """A COPY statement without CREDENTIALS and STORAGE_INTEGRATION, and what they say."""
    access: dict[str, Any] = {}
    for match in _ACCESS.finditer(sql):
        if name := match["integration"]:
            if name.strip('"').upper() not in settings.storage_integrations:
                message = f"SQL compilation error:\nIntegration '{name.upper()}' does not exist or not authorized."
                raise SnowflakeError("002003", message, "02000")
            access["integration"] = name.upper()
        for key, value in re.findall(r"(\w+)\s*=\s*'((?:[^'\\]|''|\\.)*)'", match["credentials"] or ""):
            access[key.lower()] = value.replace("''", "'").replace("\\\\", "\\")
    return _ACCESS.sub("", sql), access


def pull(settings: Settings, url: str, path: str, access: dict[str, Any]) -> list[tuple[str, Path]]:
    """Copies the files under url + path to a local mirror; returns (path below url, local file) of each."""
    return _module(url).pull(settings, url, path, access)


def push(settings: Settings, url: str, files: list[tuple[str, Path]], access: dict[str, Any]) -> None:
    _module(url).push(settings, url, files, access)


def delete(settings: Settings, url: str, relative: str, access: dict[str, Any]) -> None:
    _module(url).delete(settings, url, relative, access)


def _module(url: str) -> Any:
    return azure_files if url.startswith("azure://") else s3_files
