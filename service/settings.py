"""Every setting of the service: name, default, help. The only reader (and writer) of the environment.

A setting is read from `HIPSPINE_<NAME>`; `HOST` and `PORT` are read under their bare names too, because platforms
that start containers set those. Adding a setting is one field here and one regenerated table in README.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import Fault, InvalidInput

CANONICAL_BASE = "https://hipspine.example/fhir"
PREFIX = "HIPSPINE_"
_BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def _help(text: str, default: Any, **more: Any) -> Any:
    return Field(default=default, description=text, **more)


class Settings(BaseSettings):
    """The settings of one process. Values given by name win over the environment, the environment over the defaults."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", env_ignore_empty=True, populate_by_name=True, frozen=True
    )

    host: str = _help(
        "Address to listen on. Anything but a loopback address is reachable by others, and there is no authentication yet.",
        "127.0.0.1",
        validation_alias=AliasChoices(f"{PREFIX}HOST", "HOST"),
    )
    port: int = _help(
        "Port to listen on; 0 takes a free one.", 8000, ge=0, le=65535, validation_alias=AliasChoices(f"{PREFIX}PORT", "PORT")
    )
    base_url: str = _help(
        "Canonical base of our own code systems, questionnaire and profiles. Set it once per deployment that publishes its own.",
        CANONICAL_BASE,
    )
    public_url: str | None = _help(
        "Address of the FHIR base as clients reach it, when a proxy changes it. Unset: taken from each request.", None
    )
    max_body_bytes: int = _help("Largest request body in bytes; a larger one is answered 413.", 5_000_000, ge=1_000)
    max_depth: int = _help("Deepest nesting of JSON in a request; deeper is answered 400.", 64, ge=8, le=500)
    max_header_bytes: int = _help("Largest request line plus headers in bytes; larger is answered 431.", 32_768, ge=1_024)
    channel_timeout: int = _help(
        "Seconds after which a connection is closed that is silent, or whose request is still arriving (waitress).", 30, ge=1
    )
    connection_limit: int = _help("Most connections open at once (waitress).", 900, ge=10)
    threads: int = _help("Threads that work on requests, per process.", 4, ge=1, le=64)
    drain_seconds: int = _help("Seconds that requests already received get to finish after SIGTERM or Ctrl-C.", 10, ge=0)
    server: Literal["waitress", "granian"] = _help(
        "WSGI server: `waitress`, one process, or `granian` (extra `granian`), several, behind a proxy that buffers bodies.",
        "waitress",
    )
    workers: int = _help("Worker processes (granian).", 1, ge=1, le=64)
    snomed: bool = _help(
        "Emit SNOMED CT codes beside our own. Turn off where the SNOMED CT licence does not reach; input is understood anyway.",
        True,
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _help(
        "Least level that is logged. No level logs patient data.", "INFO"
    )

    @field_validator("base_url", "public_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None or value == "":
            return None
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

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
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise InvalidInput(
            Fault("value", f"{part['msg']} (was {part['input']!r})", where=_variable(str(part["loc"][0] if part["loc"] else "")))
            for part in error.errors()
        ) from None


def limit_blas_threads() -> None:
    """Nothing; NumPy imported afterwards computes each request on the thread that serves it.

    Its libraries otherwise start one thread per core for every product of arrays. Ours are small: on two cores an
    assessment took five times as long so, and requests in parallel got in each other's way. A value already set stays.
    """
    for variable in _BLAS_VARIABLES:
        os.environ.setdefault(variable, "1")


def settings_rows() -> Iterator[tuple[str, str, str]]:
    """Variable, default and help of each setting, in the order of the class."""
    for name, field in Settings.model_fields.items():
        default = (
            "" if field.default is None else str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
        )
        yield _variable(name), default, field.description or ""


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
    return bare if bare in ("HOST", "PORT") else PREFIX + bare
