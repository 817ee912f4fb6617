"""The tables. Changing one needs a step in migrations/ as well; a test compares the two. Indexes over a part of a table are in
`partial_indexes.py`.

Times are whole microseconds since 1970 in UTC: both databases sort and compare integers alike, and none of them rounds.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

# SQLite counts rows by itself only in a column that is called INTEGER.
Counter = BigInteger().with_variant(Integer, "sqlite")

# Sorted and compared byte by byte on every database, whatever the language of the server is.
Key = Text().with_variant(Text(collation="C"), "postgresql")

# Every version ever written; rows are added, never changed.
resource_version = Table(
    "resource_version",
    metadata,
    Column("sequence", Counter, primary_key=True),
    Column("type", Key, nullable=False),
    Column("id", Key, nullable=False),
    Column("version", Integer, nullable=False),
    Column("last_updated", BigInteger, nullable=False),
    Column("method", Text, nullable=False),
    Column("body", Text),  # JSON as it is sent; null: this version says that the resource was deleted
    UniqueConstraint("type", "id", "version"),
    # Histories are read from the newest on, and often only what came after a certain time.
    Index("ix_resource_version_last_updated", "last_updated", "sequence"),
    Index("ix_resource_version_type_last_updated", "type", "last_updated", "sequence"),
)

# One row per resource: which version is the newest. The search tables refer to `key`.
resource = Table(
    "resource",
    metadata,
    Column("key", Counter, primary_key=True),
    Column("type", Key, nullable=False),
    Column("id", Key, nullable=False),
    Column("version", Integer, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("last_updated", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False),
    UniqueConstraint("type", "id"),
    Index("ix_resource_type_last_updated", "type", "last_updated", "key"),
    Index("ix_resource_type_key", "type", "key"),
)


def _search_table(name: str, *columns: Column[Any], by: tuple[str, ...], then: tuple[str, ...] = ()) -> Table:
    """A table of search values: one row per value of one search parameter of one resource that is not deleted.

    `parameter` is the number of the parameter (`parameter_number`). `smallest` and `largest` mark one row each of all that a
    resource has for a parameter: the one it is sorted by, in rising and in falling order. Values that a resource has in one
    element of several, for a composite parameter, have the same `occurrence`.

    The index over values leads from a value to its resources in the order of their keys, so that a page of them costs the same
    in any table; `then` is in it to be looked at on the way. Rows have no key of their own: nobody asks for one row, and the
    index of such a key would be the largest of all.
    """
    return Table(
        f"search_{name}",
        metadata,
        Column("resource_key", BigInteger, ForeignKey("resource.key"), nullable=False),
        Column("parameter", Integer, nullable=False),
        *columns,
        Column("occurrence", Integer, nullable=False),
        Column("smallest", Boolean, nullable=False),
        Column("largest", Boolean, nullable=False),
        Index(f"ix_search_{name}_value", "parameter", *by, "resource_key", *then),
        Index(f"ix_search_{name}_resource", "resource_key", "parameter"),
    )


search_token = _search_table(
    "token",
    Column("code", Key, nullable=False),
    Column("system", Key, nullable=False),  # empty: the value has none
    by=("code",),
    then=("system",),
)
search_reference = _search_table(
    "reference",
    Column("target_id", Key, nullable=False),
    Column("target_type", Key, nullable=False),  # empty: the reference does not tell
    Column("server", Key, nullable=False),  # empty: this one
    Column("version", Key, nullable=False),
    Column("identifier_value", Key, nullable=False),
    Column("identifier_system", Key, nullable=False),
    by=("target_id",),
    then=("target_type",),
)
search_date = _search_table(
    "date",
    Column("low", BigInteger, nullable=False),  # first microsecond of the period
    Column("high", BigInteger, nullable=False),  # last microsecond of it
    Column("wide", Boolean, nullable=False),  # longer than a day
    by=("low",),
    then=("high",),
)
search_string = _search_table(
    "string",
    Column("start", Key, nullable=False),  # the beginning of `folded`, short enough for an index
    Column("folded", Key, nullable=False),  # without case and accents
    Column("exact", Key, nullable=False),
    by=("start",),
)
search_quantity = _search_table(
    "quantity",  # numbers too: they have neither system nor code
    Column("low", Float(53), nullable=False),
    Column("high", Float(53), nullable=False),
    Column("wide", Boolean, nullable=False),  # a range: low and high differ
    Column("system", Key, nullable=False),
    Column("code", Key, nullable=False),
    by=("low",),
    then=("high",),
)
search_uri = _search_table(
    "uri",
    Column("value", Key, nullable=False),
    Column("version", Key, nullable=False),
    by=("value",),
    then=("version",),
)

SEARCH_TABLES = (search_token, search_reference, search_date, search_string, search_quantity, search_uri)

# One row: what the search tables were last written with.
search_state = Table("search_state", metadata, Column("fingerprint", Text, primary_key=True))

# What is to be sent to other hosts: see outbox.py.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Counter, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("next_try", BigInteger, nullable=False),  # also the end of the lease while somebody works on it
    Column("lease", Text, nullable=False),  # the token of the worker that has it, empty: nobody
    Column("finished", BigInteger),
    Column("error", Text, nullable=False),
    Index("ix_outbox_state_next_try", "state", "next_try"),
    Index("ix_outbox_kind_target_state_id", "kind", "target", "state", "id"),
)

# How many events each Subscription has had: the number of the next one.
subscription_events = Table(
    "subscription_events",
    metadata,
    Column("subscription_id", Text, primary_key=True),
    Column("events", BigInteger, nullable=False),
)

# CDS Hooks: advice given, what became of it, tokens used. Nothing in them tells whose record it was.
hook_card = Table(
    "hook_card",
    metadata,
    Column("service", Text, primary_key=True),
    Column("card", Text, primary_key=True),
    Column("topic", Text, nullable=False),
    Column("differential", Text, nullable=False),
    Column("shown", BigInteger, nullable=False),
)
hook_feedback = Table(
    "hook_feedback",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("service", Text, nullable=False),
    Column("card", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("suggestions", Text, nullable=False),
    Column("reason_system", Text, nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("acted", BigInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Index("ix_hook_feedback_card", "service", "card", "acted"),
)
hook_token = Table(
    "hook_token",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("expires", BigInteger, nullable=False),  # seconds since 1970
    Index("ix_hook_token_expires", "expires"),
)
hook_secret = Table("hook_secret", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))
