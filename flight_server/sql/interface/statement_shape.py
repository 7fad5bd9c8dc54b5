"""StatementShape is what a statement would do, learnt without running it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class StatementShape:
    """is_update: it answers with a count; its `dataset_schema` has no columns then."""

    is_update: bool
    dataset_schema: pa.Schema
    parameter_schema: pa.Schema
