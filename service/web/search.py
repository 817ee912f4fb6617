"""The views of searches: parameters of the address and of a form, one Bundle."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qsl, unquote_to_bytes

from flask import Response, g, request

from service.errors import Fault, MalformedInput
from service.interactions.searching import Searches
from service.records import dataclass
from service.storage.store import ResourceStore
from service.web.preferences import read_preferences
from service.web.responses import resource_response, wants_indent

_MOST_FIELDS = 500
_NAME = re.compile(rb"[A-Za-z0-9_.:-]{1,64}")


@dataclass(frozen=True, slots=True)
class SearchViews:
    """Views of the searches of one instance; without a `store`, of what is published."""

    searches: Searches
    store: ResourceStore | None

    def search(self, type_name: str) -> Callable[[], Response]:
        """The view of a type, for GET and for POST to its `_search`: parameters of both places count together."""

        def view() -> Response:
            pairs = pairs_of(request.query_string)
            if request.method == "POST":
                g.form = request.get_data(cache=False)  # the audit trail keeps what was asked, wherever it stood
                pairs += pairs_of(g.form)
            strict = read_preferences(request.headers.get("Prefer")).strict
            as_text = not wants_indent()
            if self.store is None or type_name not in self.searches.stored:
                return resource_response(self.searches.bundle(None, type_name, pairs, strict=strict))
            with self.store.reading() as reader:
                bundle = self.searches.bundle(reader, type_name, pairs, strict=strict, as_text=as_text)
            return resource_response(bundle)

        return view


def pairs_of(query: bytes) -> list[tuple[str, str]]:
    """Names and values of a query string or a form, in order. MalformedInput if it is not UTF-8, or has too many."""
    check_utf8(query)
    try:
        return parse_qsl(query.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise MalformedInput(
            Fault(
                "too-costly",
                "The request has too many parameters.",
                rule=f"A request has at most {_MOST_FIELDS} parameters.",
                repair="Ask in several searches.",
            )
        ) from None


def check_utf8(query: bytes) -> None:
    """Nothing if a query string or a form is UTF-8, percent-encoded or not; MalformedInput with every parameter that is not."""
    wrong = [part.partition(b"=")[0] for part in query.split(b"&") if not _is_utf8(part)]
    if wrong:
        raise MalformedInput(
            Fault(
                "structure",
                "A parameter is not UTF-8 text.",
                where=f"?{name.decode()}" if _NAME.fullmatch(name) else "?",
                rule="Parameters are UTF-8, each byte beyond ASCII written as % and two hexadecimal digits.",
                repair="Encode the text as UTF-8 before it is percent-encoded: é is %C3%A9, not %E9.",
                spec="http://hl7.org/fhir/R4/http.html#general",
            )
            for name in wrong
        )


def _is_utf8(part: bytes) -> bool:
    try:
        unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        return False
    return True
