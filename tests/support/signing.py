"""Keys and tokens of record systems, good and bad, for tests."""

from __future__ import annotations

import base64
import json
import time
import uuid
from dataclasses import dataclass
from functools import cache
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey


@dataclass(frozen=True)
class Signer:
    """A private key with its id and algorithm."""

    key: Any
    kid: str
    algorithm: str

    @property
    def public(self) -> dict[str, Any]:
        return {**self.key.as_dict(private=False), "kid": self.kid, "use": "sig", "alg": self.algorithm}

    def token(self, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token with that header and these claims beside what every good one has; None leaves a claim or header out."""
        now = int(time.time())
        all_claims = {"iat": now, "exp": now + 300, "jti": str(uuid.uuid4()), **claims}
        all_header = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT", **(header or {})}
        return jwt.encode(
            {name: value for name, value in all_header.items() if value is not None},
            {name: value for name, value in all_claims.items() if value is not None},
            self.key,
            algorithms=[str(all_header["alg"])],
        )


@cache
def elliptic(kid: str = "ec-1") -> Signer:
    return Signer(ECKey.generate_key("P-384"), kid, "ES384")


@cache
def rsa(kid: str = "rsa-1", bits: int = 2048) -> Signer:
    return Signer(RSAKey.generate_key(bits), kid, "RS384")


def unsigned(**claims: Any) -> str:
    """A token under the algorithm `none`."""
    return f"{_encoded({'alg': 'none', 'kid': 'ec-1', 'typ': 'JWT'})}.{_encoded(claims)}."


def confused(public_pem: bytes, kid: str, **claims: Any) -> str:
    """A token signed with HS256 under the public key as a secret: the classical confusion of keys."""
    import hashlib
    import hmac

    start = f"{_encoded({'alg': 'HS256', 'kid': kid, 'typ': 'JWT'})}.{_encoded(claims)}"
    signature = hmac.new(public_pem, start.encode(), hashlib.sha256).digest()
    return f"{start}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def shared_secret(kid: str, **claims: Any) -> str:
    return jwt.encode({"alg": "HS384", "kid": kid}, claims, OctKey.generate_key(384), algorithms=["HS384"])


def _encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
