"""Files of external azure:// locations, by the Blob service's REST protocol with a shared access signature."""

from __future__ import annotations

import email.utils
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from .errors import SnowflakeError
from .settings import Settings

_VERSION = "2021-12-02"


def _split(url: str) -> tuple[str, str, str]:
    """Host, container and prefix of azure://host/container/prefix."""
    host, _, rest = url.removeprefix("azure://").partition("/")
    container, _, prefix = rest.partition("/")
    return host, container, prefix


def _address(settings: Settings, host: str, container: str, blob: str, access: dict[str, Any], query: dict[str, str]) -> str:
    """The request's address. An emulator has the account in the path, where Azure has it in the host name."""
    base = f"{settings.azure_endpoint.rstrip('/')}/{host.split('.')[0]}" if settings.azure_endpoint else f"https://{host}"
    signature = str(access.get("azure_sas_token") or "").lstrip("?")
    path = f"{base}/{quote(container)}" + (f"/{quote(blob)}" if blob else "")
    return f"{path}?{'&'.join(part for part in (urlencode(query), signature) if part)}"


def _request(method: str, address: str, url: str, data: bytes | None = None) -> bytes:
    request = urllib.request.Request(address, data=data, method=method, headers={"x-ms-version": _VERSION})  # noqa: S310
    if method == "PUT":
        request.add_header("x-ms-blob-type", "BlockBlob")
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            return bytes(response.read())
    except urllib.error.HTTPError as error:
        reason = error.headers.get("x-ms-error-code") or error.reason
        raise SnowflakeError("091003", f"Failure using stage area. Cause: [{url}: {error.code} {reason}]", "0A000") from error
    except urllib.error.URLError as error:
        raise SnowflakeError("091003", f"Failure using stage area. Cause: [{url}: {error.reason}]", "0A000") from error


def pull(settings: Settings, url: str, path: str, access: dict[str, Any]) -> list[tuple[str, Path]]:
    host, container, prefix = _split(url)
    mirror = settings.stages / "external" / "azure" / host / container
    found: list[tuple[str, Path]] = []
    marker: str | None = ""
    while marker is not None:
        query = {"restype": "container", "comp": "list", "prefix": prefix + path, **({"marker": marker} if marker else {})}
        page = ElementTree.fromstring(_request("GET", _address(settings, host, container, "", access, query), url))
        for blob in page.iter("Blob"):
            name = blob.findtext("Name") or ""
            size = int(blob.findtext("Properties/Content-Length") or 0)
            modified = email.utils.parsedate_to_datetime(blob.findtext("Properties/Last-Modified") or "").timestamp()
            local = mirror / name
            if not local.exists() or local.stat().st_mtime != modified or local.stat().st_size != size:
                local.parent.mkdir(parents=True, exist_ok=True)
                local.write_bytes(_request("GET", _address(settings, host, container, name, access, {}), url))
                os.utime(local, (modified, modified))
            found.append((name.removeprefix(prefix), local))
        marker = page.findtext("NextMarker") or None
    return sorted(found)


def push(settings: Settings, url: str, files: list[tuple[str, Path]], access: dict[str, Any]) -> None:
    host, container, prefix = _split(url)
    for relative, local in files:
        _request("PUT", _address(settings, host, container, prefix + relative, access, {}), url, local.read_bytes())


def delete(settings: Settings, url: str, relative: str, access: dict[str, Any]) -> None:
    host, container, prefix = _split(url)
    _request("DELETE", _address(settings, host, container, prefix + relative, access, {}), url)
