"""What the catalog is searched in: an index of words, made from published versions. It can be made again at any time."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..apis.models import ApiVersion
from ..db import Model

# words are looked for as ranges, and a locale's order would put others between
WORD = String(60).with_variant(String(60, collation="C"), "postgresql")


class CatalogEntry(Model):
    """One for each version that the catalog shows."""

    __tablename__ = "catalog_entry"
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id"), primary_key=True)
    edits: Mapped[int]  # of the version when it was indexed; another number now means that this is old
    tags: Mapped[list[str]]
    about: Mapped[str] = mapped_column(Text)
    version: Mapped[ApiVersion] = relationship()


class CatalogTerm(Model):
    """A word, the beginning of one (``pe*``) or a facet (``#state:deprecated``), and a version that has it.

    ``weight``: the smaller, the better; see `indexing`. The key is in the order in which hits are shown.
    """

    __tablename__ = "catalog_term"
    __table_args__ = (
        Index("ix_catalog_term_version_id", "version_id", "term", "weight"),
        {"sqlite_with_rowid": False},
    )
    term: Mapped[str] = mapped_column(WORD, primary_key=True)
    weight: Mapped[int] = mapped_column(primary_key=True)
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id"), primary_key=True)


class CatalogOperation(Model):
    """An operation, so that a hit can say which one it was."""

    __tablename__ = "catalog_operation"
    version_id: Mapped[int] = mapped_column(ForeignKey("api_version.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    anchor: Mapped[str] = mapped_column(String(200))
    method: Mapped[str] = mapped_column(String(10))
    path: Mapped[str] = mapped_column(Text)
    summary: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)  # each with a blank before
