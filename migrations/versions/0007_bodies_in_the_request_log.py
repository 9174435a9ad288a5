"""bodies in the request log"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    with op.batch_alter_table("api_version") as batch:
        batch.add_column(sa.Column("log_bodies", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch.add_column(sa.Column("log_body_bytes", sa.Integer(), nullable=False, server_default="2048"))
