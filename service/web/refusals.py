"""What is said of requests that are refused before the application is reached: what came was no HTTP, or too much."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from service.errors import Fault

HTTP_SPEC = "https://www.rfc-editor.org/rfc/rfc9112"
BEYOND_ASCII = "The address holds bytes beyond ASCII."
NO_TARGET = "The address of the request is none."
NO_HOST = "There is no Host header."
TWO_HOSTS = "There are two Host headers."
TWO_LENGTHS = "The length of the body is stated twice."

# Reason -> rule and repair.
_REASONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        BEYOND_ASCII: (
            "Each byte beyond ASCII is written as % and two hexadecimal digits, of the text in UTF-8.",
            "Percent-encode it: é is %C3%A9 (curl: -G --data-urlencode 'name=...').",
        ),
        NO_TARGET: ("The request line holds a path that begins with /, or a whole address.", "Correct the address."),
        NO_HOST: ("A request of HTTP/1.1 has one Host header.", "Add it, or ask as HTTP/1.0."),
        TWO_HOSTS: ("A request of HTTP/1.1 has one Host header.", "Leave one out."),
        TWO_LENGTHS: (
            "There is one Content-Length, or Transfer-Encoding: chunked: a proxy in front may believe the other one.",
            "Leave one out.",
        ),
    }
)


def refusal(code: int, reason: str) -> Fault:
    """The fault of a request that was refused with this status; `reason` is one of the above, or a text of the server library."""
    if code == 413:
        return Fault(
            "too-long",
            "The body is larger than this server accepts.",
            rule="The limit is the setting HIPSPINE_MAX_BODY_BYTES.",
            repair="Send less at once.",
        )
    if code == 431:
        return Fault(
            "too-long",
            "The request line and headers are larger than this server accepts.",
            rule="The limit is the setting HIPSPINE_MAX_HEADER_BYTES.",
            repair="Send shorter headers.",
        )
    if code == 501:
        return Fault(
            "not-supported",
            "The Transfer-Encoding is not supported.",
            rule="Only chunked is understood.",
            repair="Send Content-Length or chunked.",
        )
    if code == 400 and reason in _REASONS:
        rule, repair = _REASONS[reason]
        return Fault("structure", reason, rule=rule, repair=repair, spec=HTTP_SPEC)
    return Fault(
        "structure",
        "The request is not valid HTTP/1.1.",
        rule="One request line with a well-formed address, well-formed headers, one Host, one statement of the length.",
        repair="Correct the request line, the headers or the chunks.",
        spec=HTTP_SPEC,
    )
