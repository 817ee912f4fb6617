"""Cards given, feedback on them, and used tokens of CDS Hooks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "hook_card",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("service", "card", "topic", "differential")),
        sa.Column("shown", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("service", "card", name="pk_hook_card"),
    )
    texts = ("digest", "service", "card", "outcome", "suggestions", "reason_system", "reason_code", "comment")
    op.create_table(
        "hook_feedback",
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("acted", sa.BigInteger, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_hook_feedback"),
    )
    op.create_index("ix_hook_feedback_card", "hook_feedback", ["service", "card", "acted"])
    op.create_table(
        "hook_token",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_hook_token"),
    )
    op.create_index("ix_hook_token_expires", "hook_token", ["expires"])
