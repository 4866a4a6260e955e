"""`read(missing=...)`: voxels that were never written are zero, told, or an error, with every engine alike."""

from __future__ import annotations

import itertools
import warnings
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wkplug as wk
from wkplug.errors import InvalidArgumentError, MissingError
from wkplug.storage import locate

if TYPE_CHECKING:
    from pathlib import Path

ENGINES = ["wkw+numpy", "zarr3+tensorstore", "zarr3+zarr", "zarr+tensorstore", "zarr+zarr"]
SIZE = (128, 96, 64)
CELL = 32
_CELLS = list(itertools.product(*(range(length // CELL) for length in SIZE)))


def made(place: Any, engine: str, written: set[tuple[int, ...]]) -> wk.MagView:
    """A mag of cells of 32 voxels, some of which were written, each with a value of its own."""
    data_format = engine.partition("+")[0]
    dataset = wk.Dataset(place, (1, 1, 1), backends={data_format: engine})
    layer = dataset.add_layer(
        "color", "color", data_format=data_format, dtype="uint8", bounding_box=wk.BoundingBox((0, 0, 0), SIZE)
    )
    mag = layer.add_mag(1, chunk_shape=CELL, shard_shape=CELL)
    for cell in written:
        box = wk.BoundingBox(tuple(CELL * n for n in cell), (CELL,) * 3)
        mag.write(np.full((CELL,) * 3, 1 + _CELLS.index(cell), "uint8"), absolute_bounding_box=box)
    return mag


@pytest.mark.filterwarnings("ignore:.*WKW is not recommended")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("store", ["disk", "memory"])
def test_voxels_that_were_never_written_are_told(engine: str, store: str, tmp_path: Path) -> None:
    written = set(_CELLS[::3])
    place = tmp_path / "d" if store == "disk" else f"memory://{uuid4().hex}"
    mag = made(place, engine, written)
    oracle = np.zeros((1, *SIZE), "uint8")
    for x, y, z in written:
        inside = tuple(slice(CELL * n, CELL * (n + 1)) for n in (x, y, z))
        oracle[(0, *inside)] = 1 + _CELLS.index((x, y, z))

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.tuples(*(st.integers(0, length - 1) for length in SIZE)),
        st.tuples(*(st.integers(1, 80) for _ in SIZE)),
    )
    def check(low: tuple[int, ...], size: tuple[int, ...]) -> None:
        high = tuple(min(a + n, end) for a, n, end in zip(low, size, SIZE, strict=True))
        box = wk.BoundingBox(low, tuple(b - a for a, b in zip(low, high, strict=True)))
        expected = oracle[(slice(None), *(slice(a, b) for a, b in zip(low, high, strict=True)))]
        met = set(
            itertools.product(
                *(range(a // CELL, (b - 1) // CELL + 1) for a, b in zip(low, high, strict=True))
            )
        )
        gaps = met - written
        assert np.array_equal(mag.read(absolute_bounding_box=box), expected)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert np.array_equal(mag.read(absolute_bounding_box=box, missing="warn"), expected)
        texts = [str(each.message) for each in caught if "never written" in str(each.message)]
        assert len(texts) == (1 if gaps else 0)
        if gaps:
            assert f"{len(gaps)} of the {len(met)} chunks" in texts[0]
            with pytest.raises(MissingError, match=mag.path.name if store == "disk" else "memory://"):
                mag.read(absolute_bounding_box=box, missing="error")
        else:
            assert np.array_equal(mag.read_cxyz(absolute_bounding_box=box, missing="error"), expected)

    check()


def test_the_warning_names_the_first_box_that_is_missing(tmp_path: Path) -> None:
    mag = made(tmp_path / "d", "zarr3+tensorstore", set(_CELLS) - {(1, 2, 1), (3, 0, 0)})
    with pytest.warns(UserWarning, match="never written") as caught:
        mag.read(missing="warn")
    (text,) = (str(each.message) for each in caught)
    assert "2 of the 24 chunks of" in text
    assert "they are read as 0" in text
    assert "The first are in (c, x, y, z) = (0, 32, 64, 32) + (1, 32, 32, 32), in voxels of this mag." in text


def test_what_lies_beyond_the_array_is_not_missing(tmp_path: Path) -> None:
    mag = made(tmp_path / "d", "zarr3+tensorstore", set(_CELLS))
    beyond = wk.BoundingBox((100, 0, 0), (60, 10, 10))
    found = mag.read(absolute_bounding_box=beyond, missing="error")
    assert found[:, :28].all()
    assert not found[:, 28:].any()


def test_a_refusal_or_damage_is_never_filled(tmp_path: Path) -> None:
    mag = made(tmp_path / "d", "zarr3+tensorstore", set(_CELLS))
    for file in locate(mag.path).child("c").list_files():
        locate(mag.path).child("c", file[0]).write(b"damaged")
    for missing in ("fill", "warn", "error"):
        with pytest.raises(wk.errors.CorruptDataError):
            mag.read(missing=missing)  # type: ignore[arg-type]  # each of them


def test_other_words_for_missing_are_refused(tmp_path: Path) -> None:
    mag = made(tmp_path / "d", "zarr3+tensorstore", set())
    with pytest.raises(InvalidArgumentError, match='missing=\'zero\' is none of "fill", "warn" and "error"'):
        mag.read(missing="zero")  # type: ignore[arg-type]  # that is the point
