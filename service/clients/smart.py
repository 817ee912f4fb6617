"""Access tokens for a record system's FHIR server by SMART Backend Services: a signed assertion for a token, kept while it lasts.

https://hl7.org/fhir/smart-app-launch/STU2/backend-services.html
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from service.clients.outbound import Bounds, Outbound
from service.errors import Fault, InvalidInput, UpstreamFailed
from service.records import dataclass

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 240  # the specification allows five minutes at most
EARLY_SECONDS = 30.0  # a token is not used up to its last second
BOUNDS = Bounds(total_seconds=8.0, max_bytes=100_000)


@dataclass(frozen=True, slots=True)
class BackendClient:
    """This service as the record system knows it. `key` is a private JWK with `kid`: EC P-384 or RSA."""

    token_url: str
    client_id: str
    key: Mapping[str, Any]
    scopes: str

    @property
    def algorithm(self) -> str:
        return "ES384" if self.key.get("kty") == "EC" else "RS384"


def read_private_key(text: str, *, where: str) -> dict[str, Any]:
    """The private JWK of a file's text; InvalidInput if it is none that can sign here. Nothing of it is ever shown."""
    try:
        key = json.loads(text)
    except ValueError:
        key = None
    fits = isinstance(key, dict) and (
        (key.get("kty") == "EC" and key.get("crv") == "P-384") or key.get("kty") == "RSA"
    )
    if not fits or "d" not in key or not key.get("kid"):
        raise InvalidInput(
            Fault(
                "value",
                "The file holds no private key that can sign here.",
                where=where,
                rule="It is one private JWK with kid: EC P-384 or RSA.",
                repair="Make one with: python -m service ehr key FILE",
            )
        )
    return dict(key)


def new_key_pair(kid: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A private JWK (EC P-384), and the public key set to register with the record system."""
    from joserfc.jwk import ECKey

    key = ECKey.generate_key("P-384", {"kid": kid, "use": "sig", "alg": "ES384"})
    return dict(key.as_dict(private=True)), {"keys": [dict(key.as_dict(private=False))]}


class BackendTokens:
    """The access token of one client, fetched when needed. Threads share it."""

    def __init__(
        self, client: BackendClient, outbound: Outbound, *, clock: Callable[[], float], new_id: Callable[[], str]
    ) -> None:
        self._client = client
        self._outbound = outbound
        self._clock = clock
        self._new_id = new_id
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    def token(self, *, instead_of: str = "") -> str:
        """A token; another one than `instead_of`, which the server refused. UpstreamFailed if none is given."""
        with self._lock:
            if not self._token or self._token == instead_of or self._clock() >= self._until:
                self._token, seconds = self._fetch()
                self._until = self._clock() + max(0.0, seconds - EARLY_SECONDS)
            return self._token

    def _fetch(self) -> tuple[str, float]:
        client = self._client
        form = {
            "grant_type": "client_credentials",
            "scope": client.scopes,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self._assertion(),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        answer = self._outbound.send("POST", client.token_url, headers=headers, body=urlencode(form).encode(), bounds=BOUNDS)
        try:
            given = json.loads(answer.body) if answer.ok else {}
            token, seconds = given["access_token"], float(given.get("expires_in", 60))
        except (ValueError, KeyError, TypeError):
            raise _no_token(answer.status) from None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise _no_token(answer.status)
        return token, seconds

    def _assertion(self) -> str:
        from joserfc import jwt
        from joserfc.jwk import ECKey, RSAKey

        client = self._client
        now = int(self._clock())
        claims = {
            "iss": client.client_id,
            "sub": client.client_id,
            "aud": client.token_url,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
            "jti": self._new_id(),
        }
        kind = ECKey if client.algorithm == "ES384" else RSAKey
        header = {"alg": client.algorithm, "kid": client.key["kid"], "typ": "JWT"}
        return jwt.encode(header, claims, kind.import_key(dict(client.key)), algorithms=[client.algorithm])


def _no_token(status: int) -> UpstreamFailed:
    return UpstreamFailed(
        Fault(
            "login" if status in (400, 401, 403) else "transient",
            f"The record system gave no access token (status {status}).",
            rule="A registered client gets a token for a signed assertion.",
            repair="Check that the client id, the registered public key and the scopes fit.",
        )
    )
