"""Who calls a hook: the signed token (JWT) that CDS Hooks prescribes, verified against the keys of issuers that are trusted.

https://cds-hooks.hl7.org/2.0/#trusting-cds-clients and RFC 8725 (best current practices). What is wrong with a token goes to
the log as one word of a fixed list; the caller learns only that it is not authenticated.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from service.clients.key_sets import KeySets, PublicKey
from service.errors import Fault, InvalidInput, NotAuthenticated
from service.records import dataclass

ALGORITHMS = ("ES384", "RS384")  # as the specification recommends; never `none`, never a shared secret
SKEW_SECONDS = 60.0
LONGEST_SECONDS = 3_600.0  # between issuing and expiry: what lives longer would have to be remembered longer
LONGEST_TOKEN = 8_192  # characters
MOST_REMEMBERED = 100_000
RSA_BITS = 2_048
ISSUERS = "HIPSPINE_HOOKS_ISSUERS"

log = logging.getLogger("service.hooks")


class Refused(Exception):
    """Why a token is not accepted, in one word of ours."""


class SeenTokens(Protocol):
    """Which tokens were used already."""

    def first_use(self, digest: str, expires: float, now: float) -> bool:
        """Whether this is the first use of a token, which is remembered until `expires` (seconds since 1970)."""


@dataclass(frozen=True, slots=True)
class Issuers:
    """The issuers that are trusted, each with the address of its key set."""

    key_sets: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> Issuers:
        """From `issuer=address of its key set`, separated by commas; InvalidInput that names every entry that is none."""
        found: dict[str, str] = {}
        faults = []
        for number, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), 1):
            issuer, separator, address = (part.strip() for part in entry.rpartition("="))
            if not separator or not issuer or not address.startswith(("https://", "http://")) or issuer in found:
                faults.append(
                    Fault(
                        "value",
                        f"Entry {number} is not an issuer with its key set.",
                        where=ISSUERS,
                        rule="Entries are issuer=address, separated by commas, each issuer once.",
                        repair="For example https://ehr.example/issuer=https://ehr.example/jwks.json",
                    )
                )
                continue
            found[issuer] = address
        if faults:
            raise InvalidInput(faults)
        return cls(found)


class RememberedTokens:
    """Used tokens in the memory of one process, for where nothing is stored."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._expires: dict[str, float] = {}

    def first_use(self, digest: str, expires: float, now: float) -> bool:
        """As the protocol says. When full, a new token is refused: forgetting an old one would let it be used again."""
        with self._lock:
            if digest in self._expires:
                return False
            if len(self._expires) >= self._most:
                self._expires = {known: until for known, until in self._expires.items() if until > now}
                if len(self._expires) >= self._most:
                    return False
            self._expires[digest] = expires
            return True


class Callers:
    """Decides whether a call comes from a trusted record system. One per process."""

    def __init__(
        self, issuers: Issuers, key_sets: KeySets, seen: SeenTokens, *, clock: Callable[[], float]
    ) -> None:
        self._issuers = issuers
        self._key_sets = key_sets
        self._seen = seen
        self._clock = clock

    def authenticate(self, authorization: str | None, *addresses: str) -> str:
        """The trusted issuer that the header proves to call one of the addresses; NotAuthenticated, no more said, if none."""
        try:
            return self._check(authorization, addresses)
        except Refused as refused:
            log.warning("hook call refused reason=%s", refused)
            raise not_authenticated() from None

    def _check(self, authorization: str | None, addresses: Collection[str]) -> str:
        kind, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if kind.lower() != "bearer" or not token:
            raise Refused("no-token")
        if len(token) > LONGEST_TOKEN:
            raise Refused("too-long")
        header, unproven = _parts(token)
        if header.get("alg") not in ALGORITHMS:
            raise Refused("algorithm")
        kid, issuer = header.get("kid"), unproven.get("iss")
        if not isinstance(kid, str) or not kid:
            raise Refused("no-key-id")
        if "crit" in header or str(header.get("typ", "JWT")).upper() != "JWT":
            raise Refused("header")
        key_set = self._issuers.key_sets.get(issuer) if isinstance(issuer, str) else None
        if key_set is None:
            raise Refused("issuer")
        if header.get("jku", key_set) != key_set:
            raise Refused("key-set")
        key = self._key_sets.key(key_set, kid)
        if key is None:
            raise Refused("unknown-key")
        claims = _verified(token, key, str(header["alg"]))
        self._check_claims(claims, issuer=str(issuer), addresses=addresses)
        return str(issuer)

    def _check_claims(self, claims: Mapping[str, Any], *, issuer: str, addresses: Collection[str]) -> None:
        now = self._clock()
        expires, issued, begins = (_seconds(claims, name) for name in ("exp", "iat", "nbf"))
        if expires is None or issued is None:
            raise Refused("no-times")
        if now >= expires + SKEW_SECONDS:
            raise Refused("expired")
        if issued > now + SKEW_SECONDS or (begins is not None and begins > now + SKEW_SECONDS):
            raise Refused("not-yet")
        if not 0 < expires - issued <= LONGEST_SECONDS:
            raise Refused("lives-too-long")
        audience = claims.get("aud")
        if not any(one in addresses for one in (audience if isinstance(audience, list) else [audience])):
            raise Refused("audience")
        identity = claims.get("jti")
        if not isinstance(identity, str) or not identity:
            raise Refused("no-identity")
        digest = hashlib.sha256(json.dumps([issuer, identity]).encode("utf-8", "surrogatepass")).hexdigest()
        if not self._seen.first_use(digest, expires + SKEW_SECONDS, now):
            raise Refused("replay")


def not_authenticated() -> NotAuthenticated:
    return NotAuthenticated(
        Fault(
            "login",
            "The caller is not authenticated.",
            rule="Every call carries a signed token of a record system that this service trusts.",
            repair="Send Authorization: Bearer with a fresh token for this address.",
        )
    )


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, not yet believed: they only tell which key to try."""
    from joserfc import jws
    from joserfc.errors import JoseError

    try:
        taken_apart = jws.extract_compact(token.encode("ascii"))
        header, claims = taken_apart.headers(), json.loads(taken_apart.payload)
    except (JoseError, ValueError, TypeError, RecursionError):
        raise Refused("no-jwt") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise Refused("no-jwt")
    return header, claims


def _verified(token: str, public: PublicKey, algorithm: str) -> Mapping[str, Any]:
    """The claims, if the signature is by that key and the key is of the kind the algorithm needs."""
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey, RSAKey

    try:
        key: ECKey | RSAKey
        if algorithm == "ES384" and public.get("kty") == "EC" and public.get("crv") == "P-384":
            key = ECKey.import_key({name: public[name] for name in ("kty", "crv", "x", "y")})
        elif algorithm == "RS384" and public.get("kty") == "RSA":
            key = RSAKey.import_key({name: public[name] for name in ("kty", "n", "e")})
            if key.public_key.key_size < RSA_BITS:
                raise Refused("weak-key")
        else:
            raise Refused("key-kind")
        if public.get("use", "sig") != "sig" or public.get("alg", algorithm) != algorithm:
            raise Refused("key-kind")
        return jwt.decode(token, key, algorithms=[algorithm]).claims
    except (JoseError, ValueError, TypeError, KeyError):
        raise Refused("signature") from None


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
        raise Refused("times")
    return float(value)
