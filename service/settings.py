"""Every setting of the service: name, default, help. The only reader (and writer) of the environment.

A setting is read from `HIPSPINE_<NAME>`; `HOST` and `PORT` are read under their bare names too, because platforms
that start containers set those. Adding a setting is one field here and one regenerated table in README.

Parsed by marshmallow, which is loaded for the knowledge tables anyway: a settings library on pydantic took a tenth of a
second of every start.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError
from marshmallow import fields as parsers
from marshmallow.validate import OneOf, Range, Regexp

from service.errors import Fault, InvalidInput
from service.records import dataclass

CANONICAL_BASE = "https://hipspine.example/fhir"
PREFIX = "HIPSPINE_"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_BARE = ("HOST", "PORT")
_HOST_NAME = re.compile(r"\*|(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:.]+\]")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_OF_KUBERNETES = re.compile(rf"{PREFIX}(SERVICE_HOST|SERVICE_PORT|PORT_\d+_)")
_BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def _setting(meaning: str, default: Any, parser: parsers.Field[Any]) -> Any:
    return field(default=default, metadata={"help": meaning, "parser": parser})


def _address() -> parsers.Field[Any]:
    return parsers.String(validate=Regexp("https?://", error="must start with http:// or https://"))


def _whole(low: int, high: int | None = None) -> parsers.Field[Any]:
    return parsers.Integer(validate=Range(low, high))


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValidationError("must be IP addresses or networks, such as 10.0.0.0/8, separated by commas") from None


def _host_names(text: str) -> tuple[str, ...]:
    """Lower case; of `*.domain` the star is gone, the dot stays."""
    names = tuple(part.strip().lower() for part in text.split(",") if part.strip())
    if not all(_HOST_NAME.fullmatch(name) for name in names):
        raise ValidationError("must be host names without ports, such as hip.example or *.hip.example, separated by commas")
    return tuple(name.removeprefix("*") if name != "*" else name for name in names)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process. Values given by name win over the environment, the environment over the defaults."""

    host: str = _setting(
        "Address to listen on. Anything but a loopback address is reachable by others, and there is no authentication yet.",
        "127.0.0.1",
        parsers.String(),
    )
    port: int = _setting("Port to listen on; 0 takes a free one.", 8000, _whole(0, 65535))
    base_url: str = _setting(
        "Canonical base of our own code systems, questionnaire and profiles. Set it once per deployment that publishes its own.",
        CANONICAL_BASE,
        _address(),
    )
    public_url: str | None = _setting(
        "Address of the FHIR base as clients reach it, when a proxy changes it; links in answers begin with it. Unset: taken "
        "from each request.",
        None,
        _address(),
    )
    allowed_hosts: str = _setting(
        "Names under which the service answers (the Host header) besides those of this machine and of the public address: "
        "`name`, `*.domain`, or `*` for all, separated by commas. Unset: all names, but none more if it listens on loopback.",
        "",
        parsers.String(validate=_host_names),
    )
    database_url: str | None = _setting(
        "Where resources are stored: `sqlite:///FILE`, `postgresql://USER:PASSWORD@HOST/DATABASE`, or `none` to store nothing. "
        "Unset: a SQLite file in the data folder.",
        None,
        parsers.String(),
    )
    data_folder: str | None = _setting(
        "Folder of the files the service keeps. Unset: `$XDG_DATA_HOME/hipspine`, else `~/.local/share/hipspine`.",
        None,
        parsers.String(),
    )
    trusted_proxies: str = _setting(
        "Addresses or networks, separated by commas, of proxies whose X-Forwarded-Proto, -Host, -Prefix and -For are believed.",
        "",
        parsers.String(validate=_networks),
    )
    max_body_bytes: int = _setting("Largest request body in bytes; a larger one is answered 413.", 5_000_000, _whole(1_000))
    max_depth: int = _setting("Deepest nesting of JSON in a request; deeper is answered 400.", 64, _whole(8, 500))
    max_header_bytes: int = _setting(
        "Largest request line plus headers in bytes; larger is answered 431.", 32_768, _whole(1_024)
    )
    channel_timeout: int = _setting(
        "Seconds after which a connection is closed that is silent, or whose request is still arriving (waitress).", 30, _whole(1)
    )
    connection_limit: int = _setting("Most connections open at once (waitress).", 900, _whole(10))
    threads: int = _setting("Threads that work on requests, per process.", 4, _whole(1, 64))
    drain_seconds: int = _setting("Seconds that requests already received get to finish after SIGTERM or Ctrl-C.", 10, _whole(0))
    server: Literal["waitress", "granian"] = _setting(
        "WSGI server: `waitress`, one process, or `granian` (extra `granian`), several, behind a proxy that buffers bodies.",
        "waitress",
        parsers.String(validate=OneOf(["waitress", "granian"])),
    )
    workers: int = _setting("Worker processes (granian).", 1, _whole(1, 64))
    snomed: bool = _setting(
        "Emit SNOMED CT codes beside our own. Turn off where the SNOMED CT licence does not reach; input is understood anyway.",
        True,
        parsers.Boolean(),
    )
    assess_on_arrival: str = _setting(
        "What leads to a stored assessment by itself, separated by commas: `QuestionnaireResponse` (stored as completed), "
        "`Encounter` (stored as finished). Unset: nothing; a transaction may ask for it with `Prefer: assess`.",
        "",
        parsers.String(
            validate=Regexp("(?:(QuestionnaireResponse|Encounter)(,|$))*$", error="may hold QuestionnaireResponse, Encounter")
        ),
    )
    audit: bool = _setting(
        "Store an AuditEvent for each REST call and each hook call: who asked for what of whom, and how it ended; no bodies.",
        True,
        parsers.Boolean(),
    )
    export_hours: int = _setting(
        "Hours for which the files of a finished bulk export are kept, in the folder `exports` of the data folder.", 24, _whole(1)
    )
    delivery_threads: int = _setting(
        "Threads of each process that send notifications and other deliveries; 0 leaves them to other processes.",
        2,
        _whole(0, 32),
    )
    delivery_attempts: int = _setting(
        "How often a delivery is tried before it is put aside (`python -m service outbox`).", 14, _whole(1, 100)
    )
    delivery_retry_seconds: float = _setting(
        "Seconds before the second try of a delivery; the wait doubles from try to try.",
        5.0,
        parsers.Float(validate=Range(0.01, 3600)),
    )
    delivery_longest_seconds: float = _setting(
        "Longest wait in seconds between two tries of a delivery: what a receiver that was down waits for at most.",
        3600.0,
        parsers.Float(validate=Range(0.01, 86_400)),
    )
    outbound_hosts: str = _setting(
        "Hosts this service may call (record systems, key sets, terminology, subscribers): `name`, `name:port`, `*.domain`, "
        "separated by commas. Unset: none.",
        "",
        parsers.String(),
    )
    outbound_private_hosts: str = _setting(
        "The same for hosts that stand for private or loopback addresses, such as a record system inside the hospital.",
        "",
        parsers.String(),
    )
    outbound_seconds: float = _setting(
        "Longest time in seconds that one call to another host may take, further tries included.",
        8.0,
        parsers.Float(validate=Range(0.1, 120)),
    )
    terminology_server: str | None = _setting(
        "FHIR base of a terminology server that is asked about code systems, value sets and maps not held here. Its host must be "
        "listed as an outbound host. Unset: none is asked.",
        None,
        _address(),
    )
    terminology_seconds: float = _setting(
        "Longest time in seconds to wait for the terminology server.", 3.0, parsers.Float(validate=Range(0.1, 60))
    )
    terminology_cache_seconds: float = _setting(
        "Seconds for which an answer of the terminology server is used again.", 3600.0, parsers.Float(validate=Range(0))
    )
    hooks_url: str | None = _setting(
        "Address of CDS Hooks as clients reach it, up to but without `/cds-services`. Unset: that of "
        "HIPSPINE_PUBLIC_URL without its `/fhir`, else taken from each request.",
        None,
        _address(),
    )
    hooks_auth: Literal["auto", "required", "off"] = _setting(
        "Whether hook calls need a signed token: `auto`, unless only this machine can reach the service; `required`; or `off`, "
        "where a proxy knows the callers (mutual TLS).",
        "auto",
        parsers.String(validate=OneOf(["auto", "required", "off"])),
    )
    hooks_issuers: str = _setting(
        "Record systems that may call hooks, as `issuer=address of its key set`, separated by commas. Their hosts must be listed "
        "as outbound hosts.",
        "",
        parsers.String(),
    )
    hooks_discovery: Literal["open", "as-services"] = _setting(
        "Whether the list of hook services is open to everyone or needs a token as the services do.",
        "as-services",
        parsers.String(validate=OneOf(["open", "as-services"])),
    )
    reports_open: bool = _setting(
        "Whether the report on feedback (counts, no patients) needs no token where hook calls need one.", False, parsers.Boolean()
    )
    hooks_card_key: str | None = _setting(
        "File with the secret (32 bytes or more) that the uuids of cards are made with. Unset: one made once, in the database; "
        "where nothing is stored, each process makes its own.",
        None,
        parsers.String(),
    )
    workbench_url: str | None = _setting("SMART launch address that cards link to. Unset: no such link.", None, _address())
    cors_origins: str = _setting(
        "Origins of browser-based record systems that may call CDS Hooks, separated by commas. Unset: none.",
        "",
        parsers.String(),
    )
    ehr_seconds: float = _setting(
        "Longest time in seconds for all data that one hook call has to fetch from the record system.",
        3.0,
        parsers.Float(validate=Range(0.1, 60)),
    )
    ehr_max_resources: int = _setting("Most resources read from the record system for one prefetch key.", 1_000, _whole(1))
    ehr_write_back: Literal["off", "on"] = _setting(
        "Whether assessments made at the start and end of encounters are written into the record system.",
        "off",
        parsers.String(validate=OneOf(["off", "on"])),
    )
    ehr_fhir_url: str | None = _setting("FHIR base of the record system that is written to.", None, _address())
    ehr_token_url: str | None = _setting(
        "Its token endpoint (SMART Backend Services). Unset: no token is needed.", None, _address()
    )
    ehr_client_id: str = _setting("Client id of this service in the record system.", "hipspine", parsers.String())
    ehr_private_key: str | None = _setting(
        "File with the private key (JWK) that the client id is registered for.", None, parsers.String()
    )
    ehr_scopes: str = _setting(
        "Scopes that this service asks the token endpoint for.",
        "system/RiskAssessment.crs system/ServiceRequest.crs system/Provenance.crs",
        parsers.String(),
    )
    ehr_write_types: str = _setting(
        "Resource types it takes beside RiskAssessment; `python -m service ehr check URL` tells.",
        "ServiceRequest,Provenance",
        parsers.String(),
    )
    outbound_max_bytes: int = _setting("Largest answer of another host that is read, in bytes.", 20_000_000, _whole(1_000))
    outbound_ca_bundle: str | None = _setting(
        "File with the certificates (PEM) that other hosts are verified against. Unset: those that come with requests.",
        None,
        parsers.String(),
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _setting(
        "Least level that is logged. No level logs patient data.",
        "INFO",
        parsers.String(validate=OneOf(["DEBUG", "INFO", "WARNING", "ERROR"])),
    )

    @property
    def trusted_networks(self) -> tuple[Network, ...]:
        """`trusted_proxies` as networks; a single address is a network of one."""
        return _networks(self.trusted_proxies)

    @property
    def answers_to(self) -> frozenset[str] | None:
        """The names under which the service answers, lower case, without port; one with a dot in front stands for all below it.

        None: any name. IPv6 addresses are in brackets.
        """
        listed = _host_names(self.allowed_hosts)
        if "*" in listed or not (listed or self.loopback):
            return None
        outer = [urlsplit(url).hostname or "" for url in (self.public_url, self.hooks_url) if url]
        own = [f"[{name}]" if ":" in name else name.lower() for name in (self.host, *outer) if name]
        return frozenset({*_LOOPBACK_NAMES, *own, *listed})

    @property
    def database(self) -> str | None:
        """The URL of the database; None if nothing is to be stored."""
        if self.database_url is None:
            return f"sqlite:///{self.data_path / 'hipspine.db'}"
        return None if self.database_url.lower() == "none" else self.database_url

    @property
    def data_path(self) -> Path:
        """The folder of what the service keeps; it may not exist yet."""
        if self.data_folder is not None:
            return Path(self.data_folder).expanduser().absolute()
        home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
        return Path(home).expanduser().absolute() / "hipspine"

    @property
    def hooks_need_token(self) -> bool:
        """Whether a hook call has to prove who makes it."""
        return self.hooks_auth == "required" or (self.hooks_auth == "auto" and not self.loopback)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the listening address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def read_settings(**given: Any) -> Settings:
    """The settings of this process; InvalidInput that names every bad setting by its environment variable."""
    raw = {**_from_environment(os.environ), **{name: value for name, value in given.items() if value is not None}}
    schema = Schema.from_dict({item.name: item.metadata["parser"] for item in fields(Settings)})()
    try:
        values = schema.load(raw)
    except ValidationError as error:
        messages = error.normalized_messages()
        raise InvalidInput(
            Fault("value", f"{' '.join(text)} (was {raw[name]!r})", where=_variable(name)) for name, text in messages.items()
        ) from None
    return Settings(**{name: _normal(name, value) for name, value in values.items()})


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What the environment sets, by name; an empty variable counts as unset, a prefixed one outranks a bare one."""
    found: dict[str, str] = {}
    for item in fields(Settings):
        names = [PREFIX + item.name.upper(), *([item.name.upper()] if item.name.upper() in _BARE else [])]
        # Kubernetes sets HIPSPINE_PORT=tcp://... in every container beside a service that is called hipspine.
        values = (environment.get(name, "") for name in names)
        value = next((text for text in values if text and not text.startswith("tcp://")), "")
        if value:
            found[item.name] = value.upper() if item.name == "log_level" else value
    return found


def _normal(name: str, value: Any) -> Any:
    return value.rstrip("/") if name.endswith("_url") and name != "database_url" else value


def unknown_variables() -> dict[str, str]:
    """Variables that look like settings and are none, each with the setting that was probably meant, or nothing.

    What Kubernetes sets for a service called hipspine is left out.
    """
    known = [_variable(item.name) for item in fields(Settings)]
    own = {*known, *(PREFIX + name for name in _BARE)}
    strange = [name for name in os.environ if name.startswith(PREFIX) and name not in own and not _OF_KUBERNETES.match(name)]
    return {name: next(iter(get_close_matches(name, known, n=1, cutoff=0.8)), "") for name in sorted(strange)}


def limit_blas_threads() -> None:
    """Nothing; NumPy imported afterwards computes each request on the thread that serves it.

    Its libraries otherwise start one thread per core for every product of arrays. Ours are small: on two cores an
    assessment took five times as long so, and requests in parallel got in each other's way. A value already set stays.
    """
    for variable in _BLAS_VARIABLES:
        os.environ.setdefault(variable, "1")


def settings_rows() -> Iterator[tuple[str, str, str]]:
    """Variable, default and help of each setting, in the order of the class."""
    for item in fields(Settings):
        shown = "" if item.default is None else str(item.default)
        yield _variable(item.name), shown.lower() if isinstance(item.default, bool) else shown, item.metadata["help"]


def settings_table() -> str:
    """The settings as the Markdown table that README holds between its `settings` marks."""
    lines = ["| Variable | Default | Meaning |", "|---|---|---|"]
    lines += [
        f"| `{variable}` | {f'`{default}`' if default else 'unset'} | {meaning} |"
        for variable, default, meaning in settings_rows()
    ]
    return "\n".join(lines)


def _variable(name: str) -> str:
    bare = name.upper().removeprefix(PREFIX)
    return bare if bare in _BARE else PREFIX + bare
