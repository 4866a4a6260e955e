"""Default layouts, and what the format can't hold."""

from typing import Any

import pytest
from wkplug_wkw.backend import WkwBackend
from wkplug_wkw.layouts import complete, header_for
from wkplug_wkw.rust import RustBackend
from wkplug_wkw.settings import WkwSettings

from wkplug.abc import LayoutWish, locate
from wkplug.errors import InvalidArgumentError, LayoutError, UnsupportedDtypeError
from wkplug.filesystems.local import LocalLocation

from .conftest import make_spec


def wish(purpose: Any = "new", extent: tuple[int, int, int] = (0, 0, 0), **more: Any) -> LayoutWish:
    return LayoutWish(
        **{"purpose": purpose, "axes": ("c", "x", "y", "z"), "shape": (3, *extent), "dtype": "uint8"} | more
    )


@pytest.mark.parametrize(
    ("purpose", "extent", "shard"),
    [
        ("new", (0, 0, 0), 1024),
        ("new", (50, 50, 50), 1024),
        ("images", (0, 0, 0), 1024),
        ("images", (50, 200, 3), 256),
        ("pyramid", (64, 64, 64), 64),
        ("pyramid", (5, 5, 1), 32),
        ("images", (5000, 5, 1), 1024),
    ],
)
def test_shards_are_no_larger_than_needed(purpose: str, extent: tuple[int, int, int], shard: int) -> None:
    layout = complete(wish(purpose, extent))
    assert layout.chunk_shape == (3, 32, 32, 32)
    assert layout.shard_shape == (3, shard, shard, shard)


def test_what_is_given_is_kept() -> None:
    layout = complete(wish("images", (50, 60, 70), chunk_shape=(3, 16, 16, 16), shard_shape=(3, 64, 64, 64)))
    assert layout.chunk_shape == (3, 16, 16, 16)
    assert layout.shard_shape == (3, 64, 64, 64)


@pytest.mark.parametrize(
    ("chunk", "shard", "words"),
    [
        ((3, 32, 32, 32), (3, 16, 16, 16), "must be a multiple"),
        ((3, 24, 24, 24), None, "must be a power of two"),
        ((3, 32, 32, 16), None, "must be a cube"),
        ((3, 32, 32, 32), (3, 64, 64, 32), "must be a cube"),
        ((3, 0, 0, 0), None, "must be a power of two"),
        ((2, 32, 32, 32), None, "must hold all 3"),
        ((32, 32, 32), None, "must have 4 numbers"),
        ((3, 65536, 65536, 65536), None, "too long"),
        ((3, 1, 1, 1), (3, 65536, 65536, 65536), "too long"),
    ],
)
def test_layouts_that_cannot_be_say_why(chunk: Any, shard: Any, words: str) -> None:
    with pytest.raises(LayoutError, match=words):
        complete(wish(chunk_shape=chunk, shard_shape=shard))


def test_other_axes_are_refused() -> None:
    for axes in (("x", "y", "z"), ("c", "z", "y", "x"), ("t", "c", "x", "y", "z")):
        with pytest.raises(LayoutError, match="exactly the axes c, x, y, z"):
            complete(wish(axes=axes))


@pytest.mark.parametrize(
    ("facts", "error", "words"),
    [
        ({"dtype": "float16"}, UnsupportedDtypeError, "can't hold float16"),
        ({"dtype": "bool"}, UnsupportedDtypeError, "can't hold bool"),
        ({"dtype": "uint64", "channels": 32}, UnsupportedDtypeError, "256 bytes per voxel"),
        ({"shape": (1, 9, 9)}, LayoutError, "must have 4 numbers"),
        ({"fill_value": 1}, InvalidArgumentError, "no fill value but 0"),
        ({"chunk": 2048, "shard": 2048}, LayoutError, "one chunk would take"),
        ({"chunk": 1, "shard": 256}, LayoutError, "one shard would hold"),
        ({"options": {"block_type": "zstd"}}, InvalidArgumentError, "no block type"),
        ({"options": {"level": 13}}, InvalidArgumentError, "no level"),
        ({"options": {"level": True}}, InvalidArgumentError, "no level"),
        ({"options": {"level": 3}, "compressed": False}, InvalidArgumentError, "Only lz4hc has levels"),
        ({"options": {"codec": 3}}, InvalidArgumentError, "no option 'codec'"),
    ],
)
def test_what_the_format_cannot_hold_is_a_problem_and_an_error(
    tmp_path: Any, facts: Any, error: type[Exception], words: str
) -> None:
    spec = make_spec(**facts)
    location = LocalLocation(tmp_path / "a")
    (problem,) = WkwBackend().problems(spec, location, "create")
    assert problem.severity == "error"
    assert problem.error_type is error
    assert words in problem.text
    with pytest.raises(error, match=words):
        WkwBackend().create(location, spec)
    assert not (tmp_path / "a").exists()


def test_the_most_channels_fit() -> None:
    assert header_for(make_spec(dtype="uint8", channels=255)).voxel_bytes == 255
    assert header_for(make_spec(dtype="int64", channels=31)).voxel_bytes == 248


def test_new_arrays_elsewhere_are_advised_against() -> None:
    location = locate("memory://wkw-layouts/a")
    (problem,) = WkwBackend().problems(make_spec(), location, "create")
    assert problem.severity == "warning"
    assert "not recommended" in problem.text
    assert WkwBackend().problems(None, location, "r") == []
    huge = make_spec(chunk=32, shard=2048, compressed=False)
    codes = {problem.code for problem in WkwBackend().problems(huge, location, "create")}
    assert codes == {"wkw-remote", "wkw-remote-raw"}


def test_the_rust_package_has_problems_of_its_own(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wkw", reason="the Rust package wkw is not installed")
    backend = RustBackend()
    assert backend.problems(make_spec(), LocalLocation(tmp_path), "create") == []
    elsewhere = locate("memory://wkw-layouts/a")
    assert "wkw-local-only" in {problem.code for problem in backend.problems(None, elsewhere, "r")}
    long = make_spec(chunk=256, shard=256)
    WkwBackend().create(LocalLocation(tmp_path / "long"), long)
    for problems in (
        backend.problems(long, LocalLocation(tmp_path), "create"),
        backend.problems(None, LocalLocation(tmp_path / "long"), "r"),
    ):
        assert [problem.code for problem in problems] == ["wkw-too-long"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (missing,) = backend.problems(make_spec(), LocalLocation(tmp_path), "create")
    assert "not installed" in missing.text
    assert "pip install wkw" in missing.remedy


def test_settings_come_as_an_instance_or_a_table() -> None:
    assert WkwSettings.of(None) == WkwSettings(fsync="flush")
    assert WkwSettings.of({"fsync": "always"}).fsync == "always"
    with pytest.raises(ValueError, match="fsync"):
        WkwSettings.of({"fsync": "sometimes"})


def test_mags_record_their_cube_length(tmp_path: Any) -> None:
    backend = WkwBackend()
    array = backend.create(LocalLocation(tmp_path / "a"), make_spec(shard=64))
    assert backend.mag_properties(array) == {"cubeLength": 64}
    assert array.spec.shape == (1, None, None, None)
