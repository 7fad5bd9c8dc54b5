"""The dialect reads and writes the engine's SQL with sqlglot: what is read is written back with the same meaning.

sqlglot is made to translate between dialects, so it knows better than the author: it renames functions and types and
turns forms that a target lacks into others. Here every function is unknown to it, types and intervals keep their own
text, and NOT stays where it stood. What it still changes is found by planning the text that comes back (`faithful`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from sqlglot import exp, parser
from sqlglot.dialects.dialect import Dialect
from sqlglot.dialects.postgres import Postgres
from sqlglot.errors import SqlglotError
from sqlglot.generator import Generator
from sqlglot.tokenizer_core import TokenType

from storage.errors import NotSupported

Tree = exp.Expr
_TAKES_NOT: Final = (exp.Is, exp.In, exp.Between, exp.RegexpLike, exp.RegexpILike, exp.SimilarTo)
_INFIX: Final = "infix"  # meta of a NOT that stood within its operand: x IS NOT NULL
_TEXT: Final = "text"  # meta of a type: as it was written


class Plus(exp.Unary):
    """`+ x`, which sqlglot leaves out, though the engine looks at its type."""


class _Parser(parser.Parser):
    UNARY_PARSERS: ClassVar[dict[Any, Any]] = {
        **parser.Parser.UNARY_PARSERS,
        TokenType.PLUS: lambda self: self.expression(Plus(this=self._parse_unary())),
    }
    FUNCTIONS: ClassVar[dict[str, Callable[..., Any]]] = {}
    NO_PAREN_FUNCTIONS: ClassVar[dict[Any, Any]] = {}
    FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        name: parser.Parser.FUNCTION_PARSERS[name]
        for name in ("CAST", "TRY_CAST", "EXTRACT", "SUBSTRING", "TRIM", "POSITION", "OVERLAY")
    }
    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
        name: parser.Parser.NO_PAREN_FUNCTION_PARSERS[name] for name in ("CASE",)
    }
    PROPERTY_PARSERS: ClassVar[dict[str, Any]] = {}

    def _parse_types(self, *args: Any, **kwargs: Any) -> exp.Expr | None:
        start = self._curr
        found = super()._parse_types(*args, **kwargs)
        if isinstance(found, exp.DataType) and self._prev is not None:
            found.meta[_TEXT] = self._find_sql(start, self._prev)
        return found

    def _parse_interval(self, *args: Any, **kwargs: Any) -> Any:
        start = self._curr
        found = super()._parse_interval(*args, **kwargs)
        return found and exp.Var(this=self._find_sql(start, self._prev))

    def _parse_cte(self, *args: Any, **kwargs: Any) -> Any:
        """sqlglot puts a SELECT around VALUES."""
        found = super()._parse_cte(*args, **kwargs)
        from_ = found.this.args.get("from_") if found is not None and isinstance(found.this, exp.Select) else None
        if (
            found is not None
            and from_ is not None
            and isinstance(from_.this, exp.Values)
            and from_.this.alias == "_values"
        ):
            from_.this.set("alias", None)
            found.set("this", from_.this)
        return found

    def _negate_range(self, this: exp.Expr | None = None) -> exp.Expr | None:
        found = super()._negate_range(this)
        return _infix(found)

    def _parse_is(self, this: exp.Expr | None) -> exp.Expr | None:
        return _infix(super()._parse_is(this))


def _infix(found: exp.Expr | None) -> exp.Expr | None:
    if isinstance(found, exp.Not):
        found.meta[_INFIX] = True
    return found


class _Generator(Generator):
    TRANSFORMS: ClassVar[dict[Any, Any]] = {
        **Generator.TRANSFORMS,
        Plus: lambda self, e: f"+ {self.sql(e, 'this')}",
        exp.RegexpLike: lambda self, e: self.binary(e, "~"),
        exp.RegexpILike: lambda self, e: self.binary(e, "~*"),
        exp.Array: lambda self, e: f"[{self.expressions(e, flat=True)}]",
        exp.StrPosition: lambda self, e: f"position({self.sql(e, 'substr')} IN {self.sql(e, 'this')})",
        exp.Struct: lambda self, e: f"{{{', '.join(_key_and_value(self, item) for item in e.expressions)}}}",
    }
    TYPE_MAPPING: ClassVar[dict[Any, str]] = {}
    NULL_ORDERING_SUPPORTED = True
    SUPPORTS_TO_NUMBER = False

    def parameter_sql(self, expression: exp.Parameter) -> str:
        return f"${self.sql(expression, 'this')}"

    def datatype_sql(self, expression: exp.DataType) -> str:
        return expression.meta.get(_TEXT) or super().datatype_sql(expression)

    def not_sql(self, expression: exp.Not) -> str:
        inner = expression.this
        if not expression.meta.get(_INFIX) or not isinstance(inner, _TAKES_NOT):
            return super().not_sql(expression)
        left, whole = self.sql(inner, "this"), self.sql(inner)
        rest = whole[len(left) :].lstrip()
        if rest.startswith("IS "):
            return f"{left} IS NOT {rest[3:]}"
        return f"{left} !{rest}" if rest.startswith("~") else f"{left} NOT {rest}"


def _key_and_value(generator: Generator, item: Tree) -> str:
    if isinstance(item, exp.PropertyEQ):
        return f"{generator.sql(item, 'this')}: {generator.sql(item, 'expression')}"
    return generator.sql(item)


class Engine(Dialect):
    """DataFusion's SQL, as far as its parser and sqlglot's agree."""

    NORMALIZE_FUNCTIONS = False
    NULL_ORDERING = "nulls_are_large"
    PRESERVE_ORIGINAL_NAMES = True
    TYPED_DIVISION = True
    SAFE_DIVISION = False
    Tokenizer = Postgres.Tokenizer
    Parser = _Parser
    Generator = _Generator


def read(sql: str) -> Tree:
    """The query as a tree. Raises NotSupported when sqlglot can't read it."""
    try:
        return _one(sql)
    except SqlglotError:
        raise NotSupported("unreadable") from None


def _one(sql: str) -> Tree:
    [found] = Engine().parse(sql)
    assert found is not None
    return found


def written(tree: Tree) -> str:
    """The tree as the engine's SQL."""
    return tree.sql(dialect=Engine, comments=False, copy=False)
