"""quotas that are used up"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "exhausted_quota",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.String(40), nullable=False),
        sa.Column("refilled_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["api_version.id"],
            name="fk_exhausted_quota_version_id_api_version",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version_id", "client_id", name="pk_exhausted_quota"),
    )
