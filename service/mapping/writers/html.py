"""The few elements of XHTML a narrative is made of. Nothing of the input can act as markup: every text is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from service.mapping.writers.extensions import clean


def text(told: str) -> str:
    return escape(clean(told), quote=True)


def heading(told: str) -> str:
    return f"<h4>{text(told)}</h4>"


def paragraph(told: str) -> str:
    return f"<p>{text(told)}</p>"


def strong(told: str) -> str:
    return f"<p><b>{text(told)}</b></p>"


def items(told: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{text(one)}</li>' for one in told)}</ul>"


def items_led_by(told: Iterable[tuple[str, str]]) -> str:
    """A list in which the first part of each item stands out."""
    return f"<ul>{''.join(f'<li><b>{text(lead)}</b> {text(rest)}</li>' for lead, rest in told)}</ul>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = "".join(f"<th>{text(one)}</th>" for one in head)
    body = "".join(f"<tr>{''.join(f'<td>{text(one)}</td>' for one in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def div(language: str, parts: Iterable[str]) -> str:
    named = escape(language, quote=True)
    return f'<div xmlns="http://www.w3.org/1999/xhtml" lang="{named}" xml:lang="{named}">{"".join(parts)}</div>'
