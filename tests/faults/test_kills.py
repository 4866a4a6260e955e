"""Operations killed at any of their changes of files: nothing is lost, nothing comes back, the same call goes on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from .killer import swept

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.faults


def ran(scenario: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = swept(scenario, folder)
    with capsys.disabled():
        sys.stdout.write(f"\n{told}\n")


@pytest.mark.parametrize(
    "scenario",
    [
        "delete_mag-zarr3",
        "delete_mag-wkw",
        "delete_mag_then_downsample",
        "delete_layer-zarr3",
        "delete_layer-wkw",
    ],
)
def test_a_killed_deletion_brings_nothing_back(
    scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(scenario, tmp_path, capsys)


def test_a_killed_upsampling_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran("upsample", tmp_path, capsys)


@pytest.mark.parametrize(
    "scenario", ["copy_dataset", "copy_dataset_rewritten", "copy_layer", "copy_layer_with_attachment"]
)
def test_a_killed_copy_goes_on(scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran(scenario, tmp_path, capsys)


@pytest.mark.parametrize("scenario", ["rechunk", "rename_layer", "redownsample", "overwrite"])
def test_a_killed_change_of_what_is_listed_goes_on(
    scenario: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(scenario, tmp_path, capsys)
