"""A listener that remembers what it is told."""

from __future__ import annotations

from dataclasses import dataclass, field

from storage.state.partition_change import PartitionChange


@dataclass(eq=False)
class Ear:
    """Keeps what it hears."""

    changes: list[PartitionChange] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def on_change(self, change: PartitionChange) -> None:
        self.changes.append(change)

    def on_gap(self, reason: str) -> None:
        self.lost.append(reason)

    @property
    def inserted(self) -> list[int]:
        return [k for change in self.changes for batch in change.change.inserts for k in batch.column("k").to_pylist()]
