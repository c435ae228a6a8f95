"""Files of external stages: fetched from and sent to S3 with boto3, since this DuckDB has no S3 reader."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .errors import SnowflakeError
from .settings import Settings


def _client(settings: Settings, options: dict[str, Any]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        region_name=os.environ.get("AWS_REGION", "us-east-1"),
        aws_access_key_id=options.get("aws_key_id") or os.environ.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=options.get("aws_secret_key") or os.environ.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=options.get("aws_token"),
        config=Config(s3={"addressing_style": "path"} if settings.s3_endpoint else {}),
    )


def _split(url: str) -> tuple[str, str]:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return bucket, prefix


def _failed(url: str, error: Exception) -> SnowflakeError:
    return SnowflakeError("091003", f"Failure using stage area. Cause: [{url}: {error}]", "0A000")


def pull(settings: Settings, url: str, path: str, options: dict[str, Any]) -> list[tuple[str, Path]]:
    """Copies the objects under url + path to a local mirror; returns (path below url, local file) of each."""
    bucket, prefix = _split(url)
    mirror = settings.stages / "external" / bucket
    found: list[tuple[str, Path]] = []
    try:
        client = _client(settings, options)
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix + path):
            for item in page.get("Contents", []):
                local = mirror / item["Key"]
                modified = item["LastModified"].timestamp()
                stale = not local.exists() or local.stat().st_mtime != modified or local.stat().st_size != item["Size"]
                if stale:
                    local.parent.mkdir(parents=True, exist_ok=True)
                    client.download_file(bucket, item["Key"], str(local))
                    os.utime(local, (modified, modified))
                found.append((item["Key"].removeprefix(prefix), local))
    except (ClientError, BotoCoreError) as error:
        raise _failed(url, error) from error
    return found


def push(settings: Settings, url: str, files: list[tuple[str, Path]], options: dict[str, Any]) -> None:
    bucket, prefix = _split(url)
    try:
        client = _client(settings, options)
        for relative, local in files:
            client.upload_file(str(local), bucket, prefix + relative)
    except (ClientError, BotoCoreError) as error:
        raise _failed(url, error) from error


def delete(settings: Settings, url: str, relative: str, options: dict[str, Any]) -> None:
    bucket, prefix = _split(url)
    try:
        _client(settings, options).delete_object(Bucket=bucket, Key=prefix + relative)
    except (ClientError, BotoCoreError) as error:
        raise _failed(url, error) from error
