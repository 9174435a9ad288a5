"""lint rules that a team switches"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("team", sa.Column("lint_rules", sa.JSON(), nullable=True))
