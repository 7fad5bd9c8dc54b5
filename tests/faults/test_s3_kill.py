"""A server that dies around an upload to S3: on what it leaves another start loses nothing, doubles nothing, and clears
up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import failpoints
from storage.maintenance.sweep import sweep
from tests.storage.s3_furniture import Cloud, cloud
from tests.support.s3_endpoint import S3Endpoint
from tests.support.storage_builders import (
    compact,
    flush,
    insert,
    make_table,
    now,
    opened,
    partition,
    values,
    verify_cold_files,
)

POINTS = ("flush.before_commit", "compact.before_commit")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[S3Endpoint]:
    with S3Endpoint() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    failpoints.disarm()


class Died(BaseException):
    """The process would be gone here; nobody may catch it."""


def die_at(point: str, here: Cloud, image: Path) -> None:
    """The data directory as it is when the point is reached; then nothing of the step goes on."""

    def die() -> None:
        failpoints.disarm()
        shutil.copytree(here.engine.directory, image)
        raise Died

    failpoints.arm(point, die)


@pytest.mark.parametrize("point", POINTS)
def test_a_server_that_dies_around_an_upload(tmp_path: Path, endpoint: S3Endpoint, point: str):
    image = tmp_path / "image"
    with cloud(tmp_path / "data", endpoint) as here:
        table = make_table(here.engine, storage="cloud", key=("k",))
        for number in range(3):
            insert(here.engine, table, (number, "x"))
            if number < 2:
                flush(here.engine, table)
        die_at(point, here, image)
        with pytest.raises(Died):
            (flush if point.startswith("flush") else compact)(here.engine, table)
        with opened(image, settings=here.engine.settings) as again:
            table = now(again, table)
            assert values(again, table) == [0, 1, 2]
            insert(again, table, (3, "y"))
            flush(again, table)
            sweep(again)
            assert here.keys == {here.key(file) for file in partition(again, table).cold}
            assert verify_cold_files(again) == len(partition(again, table).cold)
            assert values(again, table) == [0, 1, 2, 3]
