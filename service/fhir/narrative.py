"""Whether a narrative is what R4 allows: one XHTML div, harmless elements and attributes, something in it (txt-1, txt-2)."""

from __future__ import annotations

import re
from xml.etree import ElementTree

XHTML = "http://www.w3.org/1999/xhtml"
NARRATIVE_SPEC = "http://hl7.org/fhir/R4/narrative.html#xhtml"

_ELEMENTS = frozenset({
    "a", "abbr", "acronym", "address", "area", "b", "bdo", "big", "blockquote", "br", "caption", "center", "cite", "code", "col",
    "colgroup", "dd", "del", "dfn", "div", "dl", "dt", "em", "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins",
    "kbd", "li", "map", "menu", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "table",
    "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul", "var",
})
_REMOTE = re.compile(r"\s*(?:javascript|vbscript)\s*:", re.IGNORECASE)


def narrative_fault(div: str) -> tuple[str, str] | None:
    """Key of the broken rule and what it demands, or None. `div` is the text of Narrative.div.

    A document type is refused before parsing, so that no entity can be defined, let alone expanded.
    """
    if "<!" in div.replace("<!--", "") or "<?" in div:
        return "txt-1", "A narrative has no document type, processing instruction or CDATA section."
    try:
        root = ElementTree.fromstring(div)
    except ElementTree.ParseError:
        return "txt-1", "A narrative is well-formed XHTML; named entities other than those of XML are not known."
    except ValueError:
        return "txt-1", "A narrative is well-formed XHTML."
    if root.tag != f"{{{XHTML}}}div":
        return "txt-1", f'A narrative is one div element in the namespace {XHTML}.'
    filled = False
    for element in root.iter():
        name = element.tag.removeprefix(f"{{{XHTML}}}") if isinstance(element.tag, str) else ""
        if name not in _ELEMENTS:
            return "txt-1", "A narrative holds only basic formatting elements: no scripts, forms, frames or objects."
        for attribute, value in element.attrib.items():
            if attribute.lower().startswith("on") or (attribute.lower() in ("href", "src") and _REMOTE.match(value)):
                return "txt-1", "A narrative has no event handlers and no script addresses."
        filled = filled or name == "img" or bool((element.text or "").strip()) or bool((element.tail or "").strip())
    return None if filled else ("txt-2", "A narrative says something: text or an image.")
