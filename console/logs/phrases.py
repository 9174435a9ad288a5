"""What the databases say differently in a question."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import BigInteger, Boolean, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class holds(FunctionElement[bool]):
    """Whether a text holds another; its wildcards are letters."""

    name, type, inherit_cache = "holds", Boolean(), True

    def __init__(self, column: ColumnElement[str], part: str) -> None:
        super().__init__(column, "%" + re.sub(r"([\\%_])", r"\\\1", part) + "%")


@compiles(holds)
def _like(element: holds, compiler: SQLCompiler, **how: Any) -> str:
    column, pattern = element.clauses
    return compiler.process(column.like(pattern, escape="\\"), **how)


@compiles(holds, "clickhousedb")
def _clickhouse_like(element: holds, compiler: SQLCompiler, **how: Any) -> str:
    """There a backslash escapes, and nobody may say so."""
    column, pattern = element.clauses
    return compiler.process(column.like(pattern), **how)


class whole(FunctionElement[int]):
    """How many times the second number goes into the first."""

    name, type, inherit_cache = "whole", BigInteger(), True


@compiles(whole)
def _divide(element: whole, compiler: SQLCompiler, **how: Any) -> str:
    number, by = (compiler.process(clause, **how) for clause in element.clauses)
    return f"({number}) / {by}"


@compiles(whole, "clickhousedb")
def _clickhouse_divide(element: whole, compiler: SQLCompiler, **how: Any) -> str:
    number, by = (compiler.process(clause, **how) for clause in element.clauses)
    return f"intDiv({number}, {by})"
