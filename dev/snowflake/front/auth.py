"""Who may log in: a password, a key pair's signed token, or an OAuth access token."""

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
    if method == "OAUTH":
        return _by_oauth(str(data.get("TOKEN") or ""), str(data.get("LOGIN_NAME") or ""), settings)
    if method not in ("SNOWFLAKE", ""):
        raise SnowflakeError("390102", f"Authenticator '{method}' is not available: use a password, SNOWFLAKE_JWT or OAUTH", "08001")
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


def _by_oauth(token: str, login_name: str, settings: Settings) -> str:
    """Checks an access token's signature and times, and maps its `upn`, `sub` or `appid` to the user, as an external
    OAuth integration does. A login name, where one is sent, must be the same user."""
    if settings.oauth_key is None:
        raise SnowflakeError("390305", "OAuth is not enabled for this account: start the stand-in with --oauth-key", "08001")
    try:
        claims = jwt.decode(token, settings.oauth_key.read_bytes(), algorithms=["RS256"], options={"verify_aud": False})
    except jwt.ExpiredSignatureError as error:
        raise SnowflakeError("390318", "OAuth access token expired.", "08001") from error
    except jwt.PyJWTError as error:
        raise SnowflakeError("390303", "Invalid OAuth access token.", "08001") from error
    names = {str(claims[name]).upper() for name in ("upn", "sub", "appid") if claims.get(name)}
    if settings.user.upper() not in names:
        raise SnowflakeError("390317", "The role or user requested in the OAuth access token is not known.", "08001")
    if login_name and login_name.upper() != settings.user.upper():
        raise SnowflakeError("390309", "The user you were trying to authenticate as differs from the user tied to the access token.", "08001")
    return settings.user
