"""a trail that others can check: its public chain, its checkpoints, and the browser session of each entry"""

import hashlib
import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

FIELDS = (
    "id",
    "at",
    "actor_id",
    "actor",
    "action",
    "subject_kind",
    "subject_id",
    "subject",
    "changes",
    "address",
    "request_id",
)
MOMENT = sa.DateTime(timezone=True)
entry = sa.table(
    "audit_entry",
    *(sa.column(n, {"at": MOMENT, "changes": sa.JSON(), "id": sa.Integer()}.get(n)) for n in FIELDS),
    sa.column("hash", sa.String()),
)


def upgrade() -> None:
    with op.batch_alter_table("audit_entry") as batch:
        batch.add_column(sa.Column("session", sa.String(12)))  # NULL: from before this, and its link does not cover it
        batch.add_column(sa.Column("checkpoint", sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("hash", sa.String(64), nullable=False, server_default=""))
    for column in ("session", "request_id"):
        op.create_index(op.f(f"ix_audit_entry_{column}"), "audit_entry", [column])
    op.create_table(
        "audit_checkpoint",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kid", sa.String(64), nullable=False),
        sa.Column("signature", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_checkpoint")),
    )
    _chain_what_is_there()


def _chain_what_is_there() -> None:
    """As console/audit/proof.py did when this was written; page by page, because a trail may be long."""
    connection, before, last = op.get_bind(), "", 0
    columns = [entry.c[name] for name in FIELDS]
    while rows := connection.execute(
        sa.select(*columns).where(entry.c.id > last).order_by(entry.c.id).limit(1000)
    ).all():
        chained = []
        for row in rows:
            said = row._asdict() | {"type": "entry", "at": _moment(row.at)}
            text = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
            before, last = hashlib.sha256((before + text).encode()).hexdigest(), row.id
            chained.append({"entry_id": row.id, "entry_hash": before})
        change = sa.update(entry).where(entry.c.id == sa.bindparam("entry_id")).values(hash=sa.bindparam("entry_hash"))
        connection.execute(change, chained)


def _moment(at: datetime) -> str:
    aware = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)  # SQLite forgets the zone
    return aware.isoformat(timespec="microseconds")
