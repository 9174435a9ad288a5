"""the lifecycle: reviews, next revisions, emergency stops, plans, subscriptions that pause and expire, followers"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    _columns()
    _plans()
    _subscriptions()
    _reviews()
    _others()
    _standard_plans()


def _columns() -> None:
    # not as a batch, which on SQLite makes the table anew, and others refer to it
    for table, column in (
        ("team", sa.Column("review_required", sa.Boolean(), nullable=False, server_default=sa.false())),
        ("team", sa.Column("four_eyes", sa.Boolean(), nullable=False, server_default=sa.false())),
        ("api", sa.Column("visibility", sa.String(10), nullable=False, server_default="internal")),
        ("api_version", sa.Column("retire_reason", sa.String(500), nullable=False, server_default="")),
        ("api_version", sa.Column("state_before_block", sa.String(20), nullable=False, server_default="")),
        ("api_version", sa.Column("blocked_at", MOMENT)),
        ("api_version", sa.Column("block_reason", sa.String(500), nullable=False, server_default="")),
        ("api_version", sa.Column("stopped_at", MOMENT)),
        ("api_version", sa.Column("stop_reason", sa.String(500), nullable=False, server_default="")),
        ("api_version", sa.Column("mocked", sa.Boolean(), nullable=False, server_default=sa.false())),
        ("api_version", sa.Column("drafted_at", MOMENT)),
        ("revision", sa.Column("source", sa.Text(), nullable=False, server_default="")),
        ("revision", sa.Column("note", sa.String(500), nullable=False, server_default="")),
    ):
        op.add_column(table, column)


def _plans() -> None:
    op.create_table(
        "plan",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("title", sa.String(80), nullable=False),
        sa.Column("description", sa.String(300), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("approval", sa.String(10), nullable=False),
        sa.Column("takes", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("rate_requests", sa.Integer()),
        sa.Column("rate_per_s", sa.Integer(), nullable=False),
        sa.Column("quota_requests", sa.Integer()),
        sa.Column("quota_period", sa.String(10), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["api_version.id"], name="fk_plan_version_id_api_version"),
        sa.PrimaryKeyConstraint("id", name="pk_plan"),
        sa.UniqueConstraint("version_id", "name", name="uq_plan_version_id"),
    )
    op.create_index("ix_plan_version_id", "plan", ["version_id"])


def _subscriptions() -> None:
    # both databases read this; Alembic writes a constraint of its own, which SQLite cannot add
    op.execute(
        "ALTER TABLE subscription ADD COLUMN plan_id INTEGER CONSTRAINT fk_subscription_plan_id_plan REFERENCES plan (id)"
    )
    for column in (
        sa.Column("expires_at", MOMENT),
        sa.Column("paused_by_owner_at", MOMENT),
        sa.Column("paused_by_consumer_at", MOMENT),
    ):
        op.add_column("subscription", column)
    op.create_index("ix_subscription_plan_id", "subscription", ["plan_id"])
    op.drop_index("uq_subscription_open", "subscription")
    open_ = sa.text("state IN ('pending', 'active', 'paused')")
    op.create_index(
        "uq_subscription_open",
        "subscription",
        ["application_id", "version_id"],
        unique=True,
        sqlite_where=open_,
        postgresql_where=open_,
    )
    op.create_table(
        "subscription_message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("subscription_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(2000), nullable=False),
        sa.Column("written_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name="fk_subscription_message_subscription_id_subscription"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_subscription_message_person_id_person"),
        sa.PrimaryKeyConstraint("id", name="pk_subscription_message"),
    )
    op.create_index("ix_subscription_message_subscription_id", "subscription_message", ["subscription_id"])


def _reviews() -> None:
    op.create_table(
        "draft",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("choices", sa.JSON(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("changed_by_id", sa.Integer()),
        sa.ForeignKeyConstraint(["version_id"], ["api_version.id"], name="fk_draft_version_id_api_version"),
        sa.ForeignKeyConstraint(["changed_by_id"], ["person.id"], name="fk_draft_changed_by_id_person"),
        sa.PrimaryKeyConstraint("version_id", name="pk_draft"),
    )
    op.create_table(
        "review",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("message", sa.String(1000), nullable=False),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("requested_by_id", sa.Integer(), nullable=False),
        sa.Column("answer", sa.String(1000), nullable=False),
        sa.Column("decided_at", MOMENT),
        sa.Column("decided_by_id", sa.Integer()),
        sa.ForeignKeyConstraint(["version_id"], ["api_version.id"], name="fk_review_version_id_api_version"),
        sa.ForeignKeyConstraint(["requested_by_id"], ["person.id"], name="fk_review_requested_by_id_person"),
        sa.ForeignKeyConstraint(["decided_by_id"], ["person.id"], name="fk_review_decided_by_id_person"),
        sa.PrimaryKeyConstraint("id", name="pk_review"),
    )
    op.create_index("ix_review_version_id", "review", ["version_id"])
    open_ = sa.text("state = 'open'")
    op.create_index("uq_review_open", "review", ["version_id"], unique=True, sqlite_where=open_, postgresql_where=open_)
    op.create_table(
        "review_comment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("review_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("operation", sa.String(300), nullable=False),
        sa.Column("line", sa.Integer()),
        sa.Column("text", sa.String(2000), nullable=False),
        sa.Column("written_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["review_id"], ["review.id"], name="fk_review_comment_review_id_review"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_review_comment_person_id_person"),
        sa.PrimaryKeyConstraint("id", name="pk_review_comment"),
    )
    op.create_index("ix_review_comment_review_id", "review_comment", ["review_id"])


def _others() -> None:
    op.create_table(
        "follower",
        sa.Column("api_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Integer(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["api_id"], ["api.id"], name="fk_follower_api_id_api"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_follower_person_id_person"),
        sa.PrimaryKeyConstraint("api_id", "person_id", name="pk_follower"),
    )
    op.create_index("ix_follower_person_id", "follower", ["person_id"])
    op.create_table(
        "sunset_notice",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("sunset_at", MOMENT, nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("sent_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["api_version.id"], name="fk_sunset_notice_version_id_api_version"),
        sa.PrimaryKeyConstraint("version_id", "sunset_at", "days", name="pk_sunset_notice"),
    )
    op.create_table(
        "letter",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("to", sa.String(254), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("written_at", MOMENT, nullable=False),
        sa.Column("try_at", MOMENT, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("sent_at", MOMENT),
        sa.Column("given_up_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_letter"),
    )
    waiting = sa.text("sent_at IS NULL AND given_up_at IS NULL")
    op.create_index("ix_letter_waiting", "letter", ["try_at"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_table(
        "setting",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting"),
    )


def _standard_plans() -> None:
    """What there was before there were plans: one of each version, for all that it accepts, approved by hand."""
    op.execute(
        "INSERT INTO plan (version_id, name, title, description, state, approval, takes, scopes, rate_per_s,"
        " quota_period, created_at)"
        " SELECT id, 'standard', 'Standard', '', 'published', 'manual', '[]', '[]', 60, 'month', CURRENT_TIMESTAMP"
        " FROM api_version WHERE state <> 'draft' AND CAST(accepts AS VARCHAR) NOT LIKE '%open%'"
    )
    op.execute(
        "UPDATE subscription SET plan_id = (SELECT plan.id FROM plan WHERE plan.version_id = subscription.version_id)"
    )
