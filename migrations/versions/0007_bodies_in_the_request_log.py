"""bodies in the request log"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    # not as a batch, which on SQLite makes the table anew, and others refer to it
    op.add_column("api_version", sa.Column("log_bodies", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("api_version", sa.Column("log_body_bytes", sa.Integer(), nullable=False, server_default="2048"))
