"""logs that an API keeps for its own time"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("api", sa.Column("log_days", sa.Integer(), nullable=True))
