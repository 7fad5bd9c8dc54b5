"""Blocks hold each SELECT of a query with what its names mean.

A block knows its sources (tables, derived tables, common tables, functions), their columns as the engine tells them,
and the block around it. Types are asked of the engine, too: an expression is planned over the FROM clause that it
stands in, with columns from outside of that replaced by values of their type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
from sqlglot import exp

from flight_server.rewrite.tree.dialect import Tree, written
from flight_server.rewrite.tree.names import HIDDEN, folded, identifier
from storage.errors import FrostlineError
from storage.whole_numbers import whole_number

SchemaOf = Callable[[str], pa.Schema]  # of a query's rows, by planning it. Raises FrostlineError.
QUERIES: Final = (exp.Select, exp.SetOperation)
_CLAUSES_BEHIND_FROM: Final = (
    "where", "group", "having", "qualify", "windows", "order", "limit", "offset", "distinct", "expressions", "with_",
)  # fmt: skip


@dataclass(eq=False, slots=True)
class Source:
    """What stands between FROM and WHERE once: its alias, its place in the tree, its columns."""

    alias: str
    node: Tree
    columns: pa.Schema


@dataclass(eq=False, slots=True)
class Block:
    """One SELECT. outer: the block that its free names may mean; is_named: whether names of its columns are seen."""

    select: exp.Select
    outer: Block | None
    common: tuple[exp.CTE, ...]
    recursive: bool
    is_named: bool
    sources: list[Source] = field(default_factory=list)

    def with_names(self, name: str) -> list[Source]:
        """The sources that have a column of this name."""
        return [source for source in self.sources if name in source.columns.names]

    def called(self, alias: str) -> Source | None:
        return next((source for source in self.sources if source.alias == alias), None)


class Blocks:
    """All blocks of one query, outer ones before those within. Raises FrostlineError as the engine does.

    ready:  is called with each block as soon as its sources are known, before anything that reads its columns
    within: the query is a view's text, around which there is more
    """

    def __init__(
        self,
        tree: Tree,
        schema_of: SchemaOf,
        ready: Callable[[Blocks, Block], None] | None = None,
        *,
        within: bool = False,
    ) -> None:
        self.schema_of = schema_of
        self._within = within
        self._ready = ready
        self.all: list[Block] = []
        self._by_select: dict[int, Block] = {}
        self._copies: list[exp.Select] = []
        self._query(tree, None, (), recursive=False, is_named=True)

    def of(self, node: Tree) -> Block | None:
        """The block whose names the node sees; None in the ORDER BY of a set operation."""
        child, parent = node, node.parent
        while parent is not None:
            if isinstance(parent, exp.Select) and id(parent) in self._by_select:
                return self._by_select[id(parent)]
            if isinstance(parent, exp.SetOperation) and child.arg_key in ("order", "limit", "offset"):
                return None
            child, parent = parent, parent.parent
        return None

    def meaning(self, found: exp.Column) -> tuple[Block, Source] | None:
        """The block and source that a column comes from; None where it is an alias of the result, or ambiguous.

        `t.x` is a column of a table t, if there is one in any block around; else the field x of a column t.
        """
        here = self.of(found)
        table, name = folded(found.args.get("table")), folded(found.this)
        for block in _outwards(here) if table else ():
            source = block.called(table)
            if source is not None:
                return block, source
        for block in _outwards(here):
            named = block.with_names(table or name)
            if named:
                return (block, named[0]) if len(named) == 1 else None
        return None

    def is_inner(self, block: Block) -> bool:
        """Whether a query around may filter its rows."""
        return self._within or block.select.parent is not None

    def is_outside(self, found: exp.Column, block: Block) -> bool:
        """Whether the column comes from a block around `block`."""
        meaning = self.meaning(found)
        around = block.outer
        while around is not None:
            if meaning is not None and meaning[0] is around:
                return True
            around = around.outer
        return False

    def copied(self, select: exp.Select) -> exp.Select:
        """A copy whose blocks are known as those of the original are."""
        copy: exp.Select = select.copy()
        for before, after in zip(select.find_all(exp.Select), copy.find_all(exp.Select), strict=True):
            block = self._by_select.get(id(before))
            if block is not None:
                self._by_select[id(after)] = block
                self._copies.append(after)  # or its id could be given to another one
        return copy

    def qualified(self, node: Tree) -> Tree:
        """A copy whose columns say where they come from, so that it can be put into a subquery."""
        copy = exp.Paren(this=node.copy())
        for before, after in zip(node.find_all(exp.Column), copy.find_all(exp.Column), strict=True):
            meaning = self.meaning(before)
            if meaning is None or before.args.get("table") is not None:
                continue
            after.set("table", identifier(alias_of(*meaning)))
        inner: Tree = copy.this
        inner.parent = None
        return inner

    def add_behind(self, block: Block, added: Block) -> None:
        """A block that has been put around what stood in `block`; blocks in it are within it from now on."""
        self.all.insert(self.all.index(block) + 1, added)
        self._by_select[id(added.select)] = added
        for inner in self.all:
            if inner.outer is block and inner.select.find_ancestor(exp.Select) is added.select:
                inner.outer = added

    def block(self, select: exp.Select) -> Block:
        return self._by_select[id(select)]

    def renamed(self, block: Block, source: Source, alias: str) -> None:
        """Give a source another alias, wherever it is named."""
        for found in block.select.find_all(exp.Column):
            meaning = self.meaning(found) if folded(found.args.get("table")) == source.alias else None
            if meaning is not None and meaning[1] is source:
                found.set("table", identifier(alias))
                found.set("db", None)
                found.set("catalog", None)
        before = source.node.args.get("alias")
        columns = before.args.get("columns") if isinstance(before, exp.TableAlias) else None
        source.node.set("alias", exp.TableAlias(this=identifier(alias), columns=columns))
        source.alias = alias

    def outside_columns(self, node: Tree, block: Block) -> list[exp.Column]:
        return [found for found in node.find_all(exp.Column) if self.is_outside(found, block)]

    def types(self, block: Block, asked: Sequence[Tree], *, grouped: bool = False) -> list[pa.DataType | None]:
        """What each expression gives; None where the engine can't tell. grouped: as beside GROUP BY."""
        if not asked:
            return []
        try:
            return list(self._planned_types(block, asked, grouped=grouped))
        except FrostlineError:
            if len(asked) == 1:
                return [None]
        return [kind for one in asked for kind in self.types(block, [one], grouped=grouped)]

    def _planned_types(self, block: Block, asked: Sequence[Tree], *, grouped: bool) -> Iterator[pa.DataType]:
        probe = self.bare(block)
        items = [
            exp.Alias(this=self.closed(one, block), alias=exp.to_identifier(f"p{i}")) for i, one in enumerate(asked)
        ]
        probe.set("expressions", items)
        probe.set("windows", [window.copy() for window in block.select.args.get("windows") or []] or None)
        group = block.select.args.get("group")
        if grouped and group is not None:
            probe.set("group", self.closed(_without_ordinals(block.select), block))
        for found in self.schema(block, probe):
            yield found.type

    def bare(self, block: Block) -> exp.Select:
        """The block's FROM clause alone, free of names from outside."""
        found = _closed_copy(self, block, _from_only(block.select))
        assert isinstance(found, exp.Select)
        return found

    def closed(self, node: Tree, block: Block) -> Tree:
        """A copy in which columns from outside of the block are values of their type."""
        return _closed_copy(self, block, node)

    def schema(self, block: Block, query: Tree) -> pa.Schema:
        """Of a query that stands where the block stands, with its common tables."""
        return self.schema_of(f"{_common_text(block.common, recursive=block.recursive)}{written(query)}")

    def _query(
        self, node: Tree, outer: Block | None, common: tuple[exp.CTE, ...], *, recursive: bool, is_named: bool
    ) -> None:
        with_ = node.args.get("with_")
        if with_ is not None:
            recursive = recursive or bool(with_.args.get("recursive"))
            for table in with_.expressions:
                seen = (*common, table) if with_.args.get("recursive") else common
                self._query(table.this, outer, seen, recursive=recursive, is_named=True)
                common = (*common, table)
        if isinstance(node, exp.Subquery):
            self._query(node.this, outer, common, recursive=recursive, is_named=is_named)
        elif isinstance(node, exp.SetOperation):
            for side, named in ((node.this, is_named), (node.expression, False)):
                self._query(side, outer, common, recursive=recursive, is_named=named)
        elif isinstance(node, exp.Select):
            self._select(Block(node, outer, common, recursive, is_named))

    def _select(self, block: Block) -> None:
        self.all.append(block)
        self._by_select[id(block.select)] = block
        for node in table_nodes(block.select):
            self._source(block, node)
        for query in _queries_in_expressions(block.select):
            self._query(query, block, block.common, recursive=block.recursive, is_named=False)
        if self._ready is not None:
            self._ready(self, block)

    def _source(self, block: Block, node: Tree) -> None:
        inner = node.this if isinstance(node, exp.Lateral) else node
        if isinstance(inner, exp.Subquery):
            outer = block if isinstance(node, exp.Lateral) else block.outer
            self._query(inner, outer, block.common, recursive=block.recursive, is_named=True)
        alias = folded(_alias(node)) or folded(node.this if isinstance(node, exp.Table) else None)
        block.sources.append(Source(alias, node, self._columns(block, node)))

    def _columns(self, block: Block, node: Tree) -> pa.Schema:
        probe = exp.Select(expressions=[exp.Star()], from_=exp.From(this=_closed_copy(self, block, _alone(node))))
        if isinstance(node, exp.Lateral):
            probe = _from_only(block.select)
            alias = _alias(node)
            probe.set("expressions", [exp.Column(this=exp.Star(), table=alias.copy() if alias else None)])
        return self.schema(block, probe)


def alias_of(block: Block, source: Source) -> str:
    """Of a derived table that has none, a new one."""
    if not source.alias:
        source.alias = f"{HIDDEN}s{block.sources.index(source)}"
        source.node.set("alias", exp.TableAlias(this=identifier(source.alias)))
    return source.alias


def _outwards(block: Block | None) -> Iterator[Block]:
    while block is not None:
        yield block
        block = block.outer


def table_nodes(select: exp.Select) -> list[Tree]:
    """The tables between FROM and WHERE, from left to right, those in brackets too."""
    from_ = select.args.get("from_")
    roots = [from_.this] if from_ is not None else []
    roots += [join.this for join in select.args.get("joins") or []]
    return [node for root in roots for node in _tables(root)]


def _tables(root: Tree) -> Iterator[Tree]:
    if (
        isinstance(root, exp.Subquery)
        and not isinstance(root.this, (*QUERIES, exp.Values))
        and not root.args.get("alias")
    ):
        yield from _tables(root.this)  # a join in brackets
    else:
        yield root
    for join in root.args.get("joins") or []:
        yield from _tables(join.this)


def _alias(node: Tree) -> exp.Identifier | None:
    alias = node.args.get("alias")
    found = alias.this if isinstance(alias, exp.TableAlias) else alias
    return found if isinstance(found, exp.Identifier) else None


def _alone(node: Tree) -> Tree:
    copy = node.copy()
    copy.set("joins", None)
    return copy


def _from_only(select: exp.Select) -> exp.Select:
    copy = select.copy()
    for clause in _CLAUSES_BEHIND_FROM:
        copy.set(clause, None)
    copy.set("expressions", [exp.Alias(this=exp.Literal.number(1), alias=exp.to_identifier("p"))])
    return copy


def _closed_copy(blocks: Blocks, block: Block, node: Tree) -> Tree:
    """`node`, which may be a copy itself, with names that no source of the block has made values."""
    wrapped = exp.Paren(this=node.copy())
    for found in list(wrapped.find_all(exp.Column)):
        if isinstance(found.this, exp.Star) or found.find_ancestor(exp.Select) not in (None, wrapped.this):
            continue
        value = _outside_value(blocks, block, found)
        if value is not None:
            found.replace(value)
    inner: Tree = wrapped.this
    inner.parent = None
    return inner


def _outside_value(blocks: Blocks, block: Block, found: exp.Column) -> Tree | None:
    """None where the name is one of the block's own."""
    table, name = folded(found.args.get("table")), folded(found.this)
    for around in _outwards(block):
        source = around.called(table) if table else None
        named = (
            [source]
            if source is not None
            else []
            if table and _is_table(block, table)
            else around.with_names(table or name)
        )
        if not named:
            continue
        if around is block:
            return None
        inner = exp.Select(expressions=[found.copy()], from_=exp.From(this=_alone(named[0].node)))
        inner.set("limit", exp.Limit(expression=exp.Literal.number(1)))
        return exp.Subquery(this=inner)
    return None


def _is_table(block: Block, alias: str) -> bool:
    return any(around.called(alias) is not None for around in _outwards(block))


def _queries_in_expressions(select: exp.Select) -> Iterator[Tree]:
    """Subqueries of the block itself, that are no tables."""
    tables = {id(node) for node in table_nodes(select)}
    stack: list[Tree] = [value for key, value in _children(select) if key != "with_"]
    while stack:
        node = stack.pop()
        if id(node) in tables:
            stack += [value for key, value in _children(node) if key == "joins"]
            continue
        if isinstance(node, QUERIES):
            yield node
            continue
        stack += [value for _, value in _children(node)]


def _children(node: Tree) -> Iterator[tuple[str, Tree]]:
    for key, value in node.args.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, exp.Expr):
                yield key, one


def _without_ordinals(select: exp.Select) -> Tree:
    group = select.args["group"].copy()
    items = select.expressions
    for found in list(group.find_all(exp.Literal)):
        at = -1 if found.is_string else (whole_number(found.this) or 0) - 1
        if 0 <= at < len(items):
            found.replace(items[at].unalias().copy())
    return group


def _common_text(common: tuple[exp.CTE, ...], *, recursive: bool) -> str:
    if not common:
        return ""
    kept = {folded(table.args["alias"].this): table for table in common}
    text = ", ".join(written(table) for table in kept.values())
    return f"WITH {'RECURSIVE ' if recursive else ''}{text} "
