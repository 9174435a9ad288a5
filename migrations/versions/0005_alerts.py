"""rules on the traffic, webhooks, alerts and their deliveries"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
MOMENT = sa.DateTime(timezone=True)


def _reference(table: str, column: str, other: str, **more: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}_{other}"), **more)


def upgrade() -> None:
    op.create_table(
        "webhook",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("secret_sealed", sa.String(1000), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("removed_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
        sa.UniqueConstraint("team_id", "name", name=op.f("uq_webhook_team_id")),
        _reference("webhook", "team_id", "team"),
    )
    op.create_table(
        "alert_rule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("team_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("filters", sa.String(2000), nullable=False),
        sa.Column("sees_all", sa.Boolean(), nullable=False),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("window_min", sa.Integer(), nullable=False),
        sa.Column("mail_to", sa.JSON(), nullable=False),
        sa.Column("webhook_id", sa.Integer()),
        sa.Column("is_silenced", sa.Boolean(), nullable=False),
        sa.Column("snoozed_until", MOMENT),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("value", sa.Double()),
        sa.Column("checked_at", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_rule")),
        _reference("alert_rule", "team_id", "team"),
        _reference("alert_rule", "webhook_id", "webhook"),
        _reference("alert_rule", "created_by_id", "person"),
    )
    op.create_index(op.f("ix_alert_rule_team_id"), "alert_rule", ["team_id"])
    op.create_table(
        "alert",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rule_id", sa.Integer(), nullable=False),
        sa.Column("began_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("worst", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
        _reference("alert", "rule_id", "alert_rule", ondelete="CASCADE"),
    )
    op.create_index(op.f("ix_alert_rule_id"), "alert", ["rule_id"])
    op.create_table(
        "alert_delivery",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("rule_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(40), nullable=False),
        sa.Column("event", sa.String(20), nullable=False),
        sa.Column("to", sa.String(500), nullable=False),
        sa.Column("webhook_id", sa.Integer()),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("try_at", MOMENT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("delivered_at", MOMENT),
        sa.Column("problem", sa.String(300), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_delivery")),
        _reference("alert_delivery", "rule_id", "alert_rule", ondelete="CASCADE"),
        _reference("alert_delivery", "webhook_id", "webhook"),
    )
    op.create_index(op.f("ix_alert_delivery_rule_id"), "alert_delivery", ["rule_id"])
    op.create_index(op.f("ix_alert_delivery_state"), "alert_delivery", ["state", "try_at"])
