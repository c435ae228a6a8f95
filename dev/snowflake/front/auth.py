"""Who may log in: a password, or a key pair's signed token."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization

from .errors import SnowflakeError
from .settings import Settings


def authenticate(data: dict[str, Any], settings: Settings) -> str:
    """The user of a login request; raises 390100 for a wrong password and 390144 for a wrong token."""
    method = str(data.get("AUTHENTICATOR") or "SNOWFLAKE").upper()
    if method == "SNOWFLAKE_JWT":
        return _by_key_pair(str(data.get("TOKEN") or ""), settings)
    if method not in ("SNOWFLAKE", ""):
        raise SnowflakeError("390102", f"Authenticator '{method}' is not available: use a password or SNOWFLAKE_JWT", "08001")
    user, password = str(data.get("LOGIN_NAME") or ""), str(data.get("PASSWORD") or "")
    right_user = user.upper() == settings.user.upper()
    if not secrets.compare_digest(password.encode(), settings.password.encode()) or not right_user:
        raise SnowflakeError("390100", "Incorrect username or password was specified.", "08001")
    return user


def _by_key_pair(token: str, settings: Settings) -> str:
    """Checks the signature, the key's fingerprint in `iss`, the expiry and the user, as Snowflake does."""
    try:
        if settings.public_key is None:
            raise ValueError("no public key is set for the user")
        key = serialization.load_pem_public_key(settings.public_key.read_bytes())
        # The Node driver writes milliseconds where the standard has seconds: the library's own check is off.
        claims = jwt.decode(token, key, algorithms=["RS256"], options={"verify_iat": False, "verify_exp": False})  # type: ignore[arg-type]
        expires = float(claims["exp"])
        if expires / (1000 if expires > 1e11 else 1) < time.time():
            raise ValueError("expired")
        encoded = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(encoded).digest()).decode()
        if str(claims["iss"]).split(".", 2)[-1] != fingerprint:
            raise ValueError("fingerprint")
        user = str(claims["sub"]).split(".")[-1]
        if user.upper() != settings.user.upper():
            raise ValueError("user")
        return user
    except (jwt.PyJWTError, ValueError, KeyError) as error:
        raise SnowflakeError("390144", "JWT token is invalid.", "08001") from error
