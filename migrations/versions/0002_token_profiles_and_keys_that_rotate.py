"""token profiles, keys that rotate, credentials with limits, keys of others"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MOMENT = sa.DateTime(timezone=True)
ACTIVE = sa.text("state = 'active'")


def upgrade() -> None:
    _profiles()
    _credentials()
    _signing_keys()
    _encryption_keys()
    _new_tables()


def _profiles() -> None:
    with op.batch_alter_table("api_version") as batch:
        for name, length, value in (
            ("signing_alg", 10, "ES256"),
            ("encryption_alg", 20, "ECDH-ES+A256KW"),
            ("encryption_curve", 10, "P-256"),
            ("content_alg", 20, "A256GCM"),
            ("key_source", 10, "managed"),
            ("dpop", 10, "optional"),
        ):
            batch.add_column(sa.Column(name, sa.String(length), nullable=False, server_default=value))
    with op.batch_alter_table("application") as batch:
        batch.add_column(sa.Column("jwks_uri", sa.String(500), nullable=False, server_default=""))


def _credentials() -> None:
    for table in ("client_secret", "api_key"):
        with op.batch_alter_table(table) as batch:
            if table == "client_secret":
                batch.add_column(sa.Column("name", sa.String(80), nullable=False, server_default=""))
                batch.add_column(sa.Column("expires_at", MOMENT))
                batch.add_column(sa.Column("used_at", MOMENT))
            batch.add_column(sa.Column("scopes", sa.JSON(), nullable=False, server_default="[]"))
            batch.add_column(sa.Column("networks", sa.JSON(), nullable=False, server_default="[]"))
            batch.add_column(sa.Column("replaced_at", MOMENT))
            batch.add_column(sa.Column("ends_when_idle", sa.Boolean(), nullable=False, server_default=sa.false()))
            batch.add_column(sa.Column("warned_days", sa.Integer(), nullable=False, server_default="0"))
            batch.add_column(sa.Column("leaked_at", MOMENT))


def _signing_keys() -> None:
    with op.batch_alter_table("signing_key") as batch:
        batch.add_column(sa.Column("version_id", sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("revoked_at", MOMENT))
    _one_active("signing_key", ["alg", "version_id"])


def _one_active(table: str, columns: list[str]) -> None:
    name = f"uq_{table}_active"
    op.create_index(name, table, columns, unique=True, sqlite_where=ACTIVE, postgresql_where=ACTIVE)


def _encryption_keys() -> None:
    """The number becomes the key of the table: two versions may share one public key of their API."""
    op.drop_index("ix_encryption_key_version_id", "encryption_key")
    op.rename_table("encryption_key", "encryption_key_before")
    if op.get_bind().dialect.name == "postgresql":  # constraint names are the schema's there
        op.execute("ALTER TABLE encryption_key_before RENAME CONSTRAINT pk_encryption_key TO pk_encryption_key_before")
        op.execute(
            "ALTER TABLE encryption_key_before RENAME CONSTRAINT fk_encryption_key_version_id_api_version TO fk_before"
        )
    op.create_table(
        "encryption_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kid", sa.String(128), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(10), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("alg", sa.String(20), nullable=False),
        sa.Column("enc", sa.String(20), nullable=False),
        sa.Column("public_jwk", sa.JSON(), nullable=False),
        sa.Column("private_sealed", sa.Text(), nullable=False),
        sa.Column("jwks_uri", sa.String(500), nullable=False),
        sa.Column("challenge", sa.String(64), nullable=False),
        sa.Column("fetched_at", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("activated_at", MOMENT),
        sa.Column("retiring_at", MOMENT),
        sa.Column("retired_at", MOMENT),
        sa.Column("revoked_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["version_id"], ["api_version.id"], name=op.f("fk_encryption_key_version_id_api_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_encryption_key")),
    )
    op.execute(
        "INSERT INTO encryption_key (kid, version_id, source, state, alg, enc, public_jwk, private_sealed, jwks_uri, "
        "challenge, created_at, activated_at) SELECT kid, version_id, 'managed', 'active', alg, enc, public_jwk, "
        "private_sealed, '', '', created_at, created_at FROM encryption_key_before"
    )
    op.drop_table("encryption_key_before")
    for column in ("kid", "version_id", "state"):
        op.create_index(op.f(f"ix_encryption_key_{column}"), "encryption_key", [column])
    _one_active("encryption_key", ["version_id"])


def _new_tables() -> None:
    op.create_table(
        "client_key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("application_id", sa.Integer(), nullable=False),
        sa.Column("kid", sa.String(128), nullable=False),
        sa.Column("alg", sa.String(10), nullable=False),
        sa.Column("public_jwk", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_client_key_application_id_application")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client_key")),
    )
    op.create_index(op.f("ix_client_key_application_id"), "client_key", ["application_id"])
    op.create_table(
        "resource_server",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("application_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"], ["application.id"], name=op.f("fk_resource_server_application_id_application")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["api_version.id"], name=op.f("fk_resource_server_version_id_api_version")
        ),
        sa.PrimaryKeyConstraint("version_id", "application_id", name=op.f("pk_resource_server")),
    )
    op.create_index(op.f("ix_resource_server_application_id"), "resource_server", ["application_id"])
    op.create_table(
        "sealed_token",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("jti", sa.String(64), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("client_id", sa.String(40), nullable=False),
        sa.Column("scope", sa.String(1000), nullable=False),
        sa.Column("jkt", sa.String(64), nullable=False),
        sa.Column("signed_by", sa.String(64), nullable=False),
        sa.Column("issued_at", MOMENT, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["api_version.id"], name=op.f("fk_sealed_token_version_id_api_version")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_sealed_token")),
    )
    op.create_index(op.f("ix_sealed_token_expires_at"), "sealed_token", ["expires_at"])
    op.create_table(
        "seen_once",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_seen_once")),
    )
    op.create_index(op.f("ix_seen_once_expires_at"), "seen_once", ["expires_at"])
    op.create_table(
        "job",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("ran_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job")),
    )
