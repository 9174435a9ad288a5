"""client certificates"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "client_certificate",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("application_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.Column("used_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_certificate")),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_client_certificate_application_id_application")
        ),
    )
    op.create_index(op.f("ix_client_certificate_application_id"), "client_certificate", ["application_id"])
    good = sa.text("revoked_at IS NULL")
    op.create_index(
        "uq_client_certificate", "client_certificate", ["digest"], unique=True, sqlite_where=good, postgresql_where=good
    )
