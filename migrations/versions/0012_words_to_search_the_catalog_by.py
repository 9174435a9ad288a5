"""words to search the catalog by, and the operations that they lead to"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
WORD = sa.String(60).with_variant(sa.String(60, collation="C"), "postgresql")


def _version(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["version_id"], ["api_version.id"], name=op.f(f"fk_{table}_version_id_api_version"))


def upgrade() -> None:
    op.create_table(
        "catalog_entry",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("edits", sa.Integer(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_catalog_entry")),
        _version("catalog_entry"),
    )
    op.create_table(
        "catalog_term",
        sa.Column("term", WORD, nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("term", "weight", "version_id", name=op.f("pk_catalog_term")),
        _version("catalog_term"),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_catalog_term_version_id"), "catalog_term", ["version_id", "term", "weight"])
    # the one of open subscriptions is used only by questions that repeat its condition letter by letter
    op.create_index(op.f("ix_subscription_application_id"), "subscription", ["application_id"])
    op.create_table(
        "catalog_operation",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("anchor", sa.String(200), nullable=False),
        sa.Column("method", sa.String(10), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version_id", "position", name=op.f("pk_catalog_operation")),
        _version("catalog_operation"),
    )
