"""Where the caller reached this server: the start of every link in an answer."""

from __future__ import annotations

from collections.abc import Callable

from flask import request

FHIR_PATH = "/fhir"
HOOKS_PATH = "/cds-services"


def fhir_address(public_url: str | None) -> Callable[[], str]:
    """A function that gives the FHIR base of the request in work: the address in the settings, else the one that was asked.

    Behind a trusted proxy `request` already speaks of the outer address (`service/web/proxies.py`).
    """

    def address() -> str:
        return public_url or request.url_root.rstrip("/") + FHIR_PATH

    return address


def service_address(public_url: str | None) -> Callable[[], str]:
    """A function that gives the address below which the FHIR base, the hooks and the pages are, without a slash at its end."""
    outer = public_url.removesuffix(FHIR_PATH) if public_url and public_url.endswith(FHIR_PATH) else ""

    def address() -> str:
        return outer or request.url_root.rstrip("/")

    return address
