"""indexes by which lists and the first page find what they show among tens of thousands of versions and subscriptions"""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_index("ix_api_version_state_sunset_at", "api_version", ["state", "sunset_at"])
    op.create_index("ix_api_version_api_id_state", "api_version", ["api_id", "state"])
    op.create_index("ix_subscription_application_id_state", "subscription", ["application_id", "state"])
    op.drop_index("ix_subscription_application_id", "subscription")
