"""The process's allocators: which Arrow has, and how many stores the C library keeps for threads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flight_server.allocators import ARROW_VARIABLE, ENGINE_OPTIONS
from tests.support.server_process import REPOSITORY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere allocators are left as they are")

POOL = "import pyarrow; print(pyarrow.default_memory_pool().backend_name)"
ARENAS = """
import ctypes, sys, threading
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
all_have = threading.Barrier(40)
def work():
    assert libc.malloc(1000)
    all_have.wait()
threads = [threading.Thread(target=work) for _ in range(40)]
for thread in threads: thread.start()
for thread in threads: thread.join()
to = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, ctypes.c_void_p(to))
libc.fclose(ctypes.c_void_p(to))
"""

HOLED = """
import ctypes, os
from flight_server.allocators import give_back_memory
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
def resident_mib():
    with open("/proc/self/statm") as figures:
        return int(figures.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
blocks = [libc.malloc(32 << 10) for _ in range(4000)]
for block in blocks: ctypes.memset(block, 1, 32 << 10)
for block in blocks[:-1]: libc.free(block)  # what is left lies at the end
before = resident_mib()
give_back_memory()
print(before - resident_mib())
"""
HOLED_MIB_MIN = 100


def run(code: str, *arguments: str, **environment: str) -> str:
    """What it prints after `spare_memory`."""
    code = f"from flight_server.allocators import spare_memory\nspare_memory()\n{code}"
    chosen = {ARROW_VARIABLE, "MALLOC_ARENA_MAX", *(name for name, _ in ENGINE_OPTIONS)}
    inherited = {name: text for name, text in os.environ.items() if name not in chosen}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=REPOSITORY,
        env={**inherited, **environment},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_arrow_gives_memory_back():
    assert run(POOL) == "jemalloc"


def test_the_engine_takes_no_huge_pages():
    code = """
import datafusion
datafusion.SessionContext().sql("SELECT count(*) FROM generate_series(1, 100000)").collect()
print(next(line for line in open("/proc/self/status") if line.startswith("THP_enabled")))
"""
    assert run(code) == "THP_enabled:\t0"
    assert run(code, MIMALLOC_ALLOW_THP="1") == "THP_enabled:\t1"


def test_who_has_chosen_another_allocator_keeps_it():
    assert run(POOL, **{ARROW_VARIABLE: "system"}) == "system"


def test_many_threads_share_few_stores(tmp_path: Path):
    run(ARENAS, str(tmp_path / "info"))
    arenas = (tmp_path / "info").read_text().count("<heap nr=")
    assert 1 <= arenas <= max(2, os.cpu_count() or 2)


def test_what_nobody_uses_goes_back_though_something_lies_behind_it():
    assert int(run(HOLED)) > HOLED_MIB_MIN
