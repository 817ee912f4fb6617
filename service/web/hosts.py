"""Under which names the service answers.

A web page of a stranger can have its own name stand for 127.0.0.1 (DNS rebinding) and then read whatever this machine may
read; its requests still carry the stranger's name in Host. So a service that only this machine reaches answers to the names of
this machine and to those it is told of, and everywhere a host must at least be one: links in answers are made from it.
"""

from __future__ import annotations

from collections.abc import Collection

from flask import Flask, request
from werkzeug.sansio.utils import host_is_trusted

from service.errors import Fault, MalformedInput
from service.web.errors import Misdirected

SETTING = "HIPSPINE_ALLOWED_HOSTS"


def install_host_check(app: Flask, *, names: Collection[str] | None, exempt: Collection[str]) -> None:
    """Refuse requests to `app` under names that are none of `names` (None: any), and under what is no name at all.

    A name that starts with a dot stands for all below it. `exempt` are the paths of what tells nothing (health): orchestrators
    ask those under whatever address they have. Done by hand because the list of Flask (TRUSTED_HOSTS) matches no IPv6 address,
    minds upper and lower case, and knows no exemption; its check of the syntax is used.
    """

    @app.before_request
    def check() -> None:
        if request.path in exempt:
            return
        # Who asked, as against what a trusted proxy says on its behalf: that one may say anything.
        sent = request.environ.get("werkzeug.proxy_fix.orig", request.environ).get("HTTP_HOST")
        try:
            check_host(sent, names)
            if request.host == "":
                raise MalformedInput(_no_host("X-Forwarded-Host"))
        except (MalformedInput, Misdirected):
            request.url_rule = None  # it reached nothing: neither the log nor the audit trail shall say it did
            raise


def check_host(sent: str | None, names: Collection[str] | None) -> None:
    """Nothing if that Host is answered; MalformedInput for what is no host, Misdirected for one that is not ours.

    None is fine: HTTP/1.0 has no Host, and no browser speaks that.
    """
    if sent is None:
        return
    if not host_is_trusted(sent):
        raise MalformedInput(_no_host("Host"))
    if names is None:
        return
    name = name_of(sent)
    if name not in names and not any(one.startswith(".") and name.endswith(one) for one in names):
        raise Misdirected(
            Fault(
                "security",
                f"This service does not answer under the name {name[:100]}.",
                where="Host",
                rule=f"It answers under localhost, 127.0.0.1, [::1], that of HIPSPINE_PUBLIC_URL, and the names in {SETTING}.",
                repair=f"Use one of these names, or have whoever runs the service add this one: {SETTING}={name[:100]}.",
                spec="https://www.rfc-editor.org/rfc/rfc9110#status.421",
            )
        )


def name_of(host: str) -> str:
    """The name in a Host header: lower case, without port; IPv6 addresses keep their brackets."""
    host = host.lower()
    return host[: host.index("]") + 1] if host.startswith("[") else host.partition(":")[0]


def _no_host(where: str) -> Fault:
    return Fault(
        "structure",
        f"{where} is not a host.",
        where=where,
        rule="It is a name of letters, digits, hyphens and dots, or an IP address, and a port where it is not the usual one.",
        repair="Address the service by such a name; a name with _ needs an alias without.",
        spec="https://www.rfc-editor.org/rfc/rfc9110#field.host",
    )
