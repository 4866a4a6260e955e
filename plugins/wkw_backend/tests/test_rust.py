"""The guarded Rust package: same voxels, same errors."""

# ruff: noqa: PTH116, PTH123
# What the tests do to files is what other programs do, with plain system calls.

import os
import pickle

import numpy as np
import pytest

from .conftest import Make, noise

pytest.importorskip("wkw", reason="the Rust package wkw is not installed")
from wkplug_wkw.backend import WkwBackend
from wkplug_wkw.rust import RustArray, RustBackend

from wkplug.errors import CorruptDataError, MissingError, UnsupportedOperationError

BOX = ((0, 0, 0, 0), (2, 64, 32, 32))


@pytest.mark.parametrize("kind", ["raw", "lz4", "lz4hc"])
def test_both_implementations_share_their_files(make: Make, kind: str) -> None:
    ours = make(channels=2, dtype="int32", options={"block_type": kind})
    theirs = RustBackend().open(ours.location, "r+")
    assert theirs.backend == "wkw+wkw"
    for number, array in enumerate((theirs, ours)):
        data = noise(BOX[1], "int32", number)
        array.write(BOX, data)
        corner = ((1, 30, 3, 3), (1, 5, 6, 7))
        array.write(corner, data[:1, :5, :6, :7] + 1)
        data[1:2, 30:35, 3:9, 3:10] = data[:1, :5, :6, :7] + 1
        for reader in (ours, theirs, pickle.loads(pickle.dumps(theirs))):
            np.testing.assert_array_equal(reader.read(BOX), data)
            np.testing.assert_array_equal(reader.read(corner), data[1:2, 30:35, 3:9, 3:10])
            out = np.zeros((1, 5, 6, 7), "int32")
            assert reader.read(corner, out=out) is out
            np.testing.assert_array_equal(out, data[1:2, 30:35, 3:9, 3:10])


def test_what_crashes_the_package_never_reaches_it(make: Make) -> None:
    ours = make()
    array = RustBackend().open(ours.location, "r+")
    assert isinstance(array, RustArray)
    data = noise((1, 32, 32, 32))
    array.write(((0, 0, 0, 0), data.shape), data)
    assert array.read(((0, 0, 0, 0), (1, 0, 5, 5))).shape == (1, 0, 5, 5)
    array.read(((0, 0, 0, 0), data.shape))
    array.close()
    array.close()
    np.testing.assert_array_equal(array.read(((0, 0, 0, 0), data.shape)), data)
    assert array.native_handle().header.block_len == 8
    with pytest.raises(MissingError, match="never written"):
        array.read(((0, 30, 0, 0), (1, 5, 5, 5)), missing="error")
    path = f"{ours.location.url}/z0/y0/x0.wkw"
    os.truncate(path, 0)
    with pytest.raises(CorruptDataError, match="not even a header"):
        array.read(((0, 0, 0, 0), data.shape))


def test_a_block_that_the_package_cannot_decode_is_damage(make: Make) -> None:
    array = make()
    data = noise((1, 32, 32, 32))
    array.write(((0, 0, 0, 0), data.shape), data)
    path = f"{array.location.url}/z0/y0/x0.wkw"
    size = os.stat(path).st_size
    with open(path, "r+b") as file:
        file.seek(16 + 8 * 64)
        file.write(b"\xff" * (size - 16 - 8 * 64))
    for backend in (WkwBackend(), RustBackend()):
        with pytest.raises(CorruptDataError):
            backend.open(array.location).read(((0, 0, 0, 0), data.shape))


def test_a_package_that_does_not_load_says_so(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    array = make()
    data = noise((1, 32, 32, 32))
    array.write(((0, 0, 0, 0), data.shape), data)
    monkeypatch.setitem(__import__("sys").modules, "wkw", None)
    with pytest.raises(UnsupportedOperationError, match="can't be loaded") as error:
        RustBackend().open(array.location).read(((0, 0, 0, 0), data.shape))
    assert "pip install wkw" in str(error.value)
