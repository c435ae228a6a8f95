"""PUT and GET: the driver moves the bytes itself, told by the server from where to where.

The instructions name Google Cloud Storage because both drivers can reach it over plain http at an address
of our choosing: a real remote transfer with existence checks and retries, without certificates.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

from . import stages
from .errors import SnowflakeError
from .results import Result
from .sessions import Session

_STAGE = r"(?P<stage>'@[^']*'|@(?:\"(?:[^\"]|\"\")+\"|[^\s'])+)"
# The Node driver writes PUT file://1'@SYSTEM$BIND/... for staged binds: the quote after the file is its own.
_PUT = re.compile(rf"^\s*PUT\s+(?:'file://(?P<quoted>[^']*)'|file://(?P<plain>[^\s']+))\s*'?{_STAGE}'?(?P<options>.*)$", re.I | re.S)
_GET = re.compile(rf"^\s*GET\s+{_STAGE}\s+(?:'file://(?P<quoted>[^']*)'|file://(?P<plain>[^\s']+))(?P<options>.*)$", re.I | re.S)


def transfer(session: Session, sql: str, base_url: str, stage_token: str) -> Result | None:
    """Instructions for a PUT or GET, or None when the statement is neither."""
    if match := _PUT.match(sql):
        return _put(session, match, base_url, stage_token)
    if match := _GET.match(sql):
        return _get(session, match, base_url, stage_token)
    return None


def _options(text: str) -> dict[str, str]:
    return {name.upper(): value.strip("'") for name, value in re.findall(r"(\w+)\s*=\s*('[^']*'|\w+)", text)}


def _location(session: Session, match: re.Match[str]) -> stages.Location:
    location = stages.resolve(session, match["stage"])
    if location.external:
        raise SnowflakeError("091003", "Failure using stage area. Cause: [GET and PUT commands are not supported with external stage]", "0A000")
    return location


def _stage_info(session: Session, directory: Path, base_url: str, stage_token: str, file: str | None) -> dict[str, Any]:
    below = directory.relative_to(session.engine.settings.stages).as_posix()
    info: dict[str, Any] = {
        "locationType": "GCS",
        "location": f"stage/{below}/",
        "region": "us-central1",
        "useVirtualUrl": False,
        "isClientSideEncrypted": False,
        "presignedUrl": None,
    }
    if session.client.lower().startswith("javascript"):
        return {**info, "endPoint": f"{base_url}/gcs", "creds": {"GCS_ACCESS_TOKEN": stage_token}}
    # The Python driver forces https on endPoint, but uses a presigned address as it is, one file at a time.
    presigned = _presigned(base_url, below, file, stage_token) if file else None
    return {**info, "creds": {}, "presignedUrl": presigned}


def _presigned(base_url: str, below: str, file: str, stage_token: str) -> str:
    return f"{base_url}/gcs/stage/{quote(f'{below}/{file}')}?token={stage_token}"


def _put(session: Session, match: re.Match[str], base_url: str, stage_token: str) -> Result:
    location = _location(session, match)
    options = _options(match["options"])
    directory = location.directory / location.path
    directory.mkdir(parents=True, exist_ok=True)
    source = match["quoted"] or match["plain"]
    return Result(
        [],
        [],
        0x7000,
        transfer={
            "command": "UPLOAD",
            "src_locations": [source],
            "parallel": int(options.get("PARALLEL", "4")),
            "threshold": 209715200,
            "autoCompress": options.get("AUTO_COMPRESS", "TRUE").upper() == "TRUE",
            "overwrite": options.get("OVERWRITE", "FALSE").upper() == "TRUE",
            "sourceCompression": options.get("SOURCE_COMPRESSION", "auto_detect").lower(),
            "clientShowEncryptionParameter": False,
            "stageInfo": _stage_info(session, directory, base_url, stage_token, Path(source).name),
            "encryptionMaterial": None,
            "operation": "Node",
        },
    )


def _get(session: Session, match: re.Match[str], base_url: str, stage_token: str) -> Result:
    location = _location(session, match)
    options = _options(match["options"])
    found = stages.matching(stages.files(session, location), options.get("PATTERN"))
    below = location.directory.relative_to(session.engine.settings.stages).as_posix()
    return Result(
        [],
        [],
        0x7001,
        transfer={
            "command": "DOWNLOAD",
            "localLocation": match["quoted"] or match["plain"],
            "src_locations": [file.relative for file in found],
            "parallel": int(options.get("PARALLEL", "10")),
            "stageInfo": _stage_info(session, location.directory, base_url, stage_token, None),
            "presignedUrls": []
            if session.client.lower().startswith("javascript")
            else [_presigned(base_url, below, file.relative, stage_token) for file in found],
            "encryptionMaterial": [],
            "operation": "Node",
        },
    )
