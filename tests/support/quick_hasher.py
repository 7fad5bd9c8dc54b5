"""quick_hasher makes argon2id hashes at the least cost, which are checked as any other."""

from __future__ import annotations

from argon2 import PasswordHasher


def quick_hasher() -> PasswordHasher:
    """8 KiB and one pass, where the product has 64 MiB and three."""
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
