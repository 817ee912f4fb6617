"""Small pieces of SQL that say which way a database is to go."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class aside(FunctionElement[Any]):
    """A column whose value is looked at only in rows that something else has led to.

    SQLite knows no statistics of tables it was not told to analyse. It may then take the index that begins with the number of
    the parameter, and read the values of all resources to find those of one. A plus before the column rules this out.
    PostgreSQL counts its rows by itself.
    """

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(aside)
def _plain(element: aside, compiler: SQLCompiler, **more: Any) -> str:
    return compiler.process(element.clauses.clauses[0], **more)


@compiles(aside, "sqlite")
def _with_plus(element: aside, compiler: SQLCompiler, **more: Any) -> str:
    return "+" + compiler.process(element.clauses.clauses[0], **more)
