"""The kinds of cards, and how urgent a card may be."""

from __future__ import annotations

from typing import Literal

# red-flags: alarm signs, first and never outvoted. source: where the pain may come from, and the next examination.
# form: hip pain is known, but nothing that tells its source. order: an order fits the likelier source badly.
# plan: what to do, and when to assess again. unseen: what of the record could not be read, where that is all there is to say.
CardKind = Literal["red-flags", "source", "source-with-orders", "form", "order", "plan"]
Topic = Literal["red-flags", "source", "form", "order", "plan", "unseen"]
Indicator = Literal["info", "warning", "critical"]
