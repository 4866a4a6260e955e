"""Which mags a pyramid gets: the worked examples, exactly."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wkplug import Mag, Vec3Int
from wkplug.geometry import Vec3Float
from wkplug.ops.pyramids.sampling import SamplingModes, default_coarsest_mag, mags_to_downsample

NONE: list[list[Mag]] = []


def scheme(voxel_size: tuple[float, ...] | None, coarsest: str, start: str = "1") -> str:
    size = None if voxel_size is None else Vec3Float(voxel_size)
    return " ".join(mag.to_layer_name() for mag in mags_to_downsample(Mag(start), Mag(coarsest), NONE, size))


@pytest.mark.parametrize(
    ("voxel_size", "coarsest", "mags"),
    [
        ((1, 1, 1), "8", "2 4 8"),
        ((11.24, 11.24, 25), "16", "2-2-1 4-4-2 8-8-4 16-16-8"),
        ((11.24, 11.24, 28), "16", "2-2-1 4-4-2 8-8-4 16-16-8"),
        ((10.5, 10.5, 24), "16", "2-2-1 4-4-2 8-8-4 16-16-8"),
        ((10.5, 10.5, 35), "16", "2-2-1 4-4-1 8-8-2 16-16-4"),
        ((85, 85, 346), "4", "2-2-1 4-4-1"),
        ((1, 1, 3), "32", "2-2-1 4-4-1 8-8-2 16-16-4 32-32-8"),
        ((4, 4, 40), "32", "2-2-1 4-4-1 8-8-1 16-16-2 32-32-4"),
        ((10, 10, 20), "16", "2-2-1 4-4-2 8-8-4 16-16-8"),
        ((1, 1, 1.41), "16", "2 4 8 16"),
        ((1, 1, 1.42), "16", "2-2-1 4-4-2 8-8-4 16-16-8"),
        ((1, 1, 2.82), "16", "2-2-1 4-4-2 8-8-4 16-16-8"),
        ((1, 1, 2.83), "16", "2-2-1 4-4-1 8-8-2 16-16-4"),
        ((1, 2, 4), "4", "2-1-1 4-2-1"),
        ((1, 1, 1000), "8", "2-2-1 4-4-1 8-8-1"),
        ((10.5, 10.5, 24), "16-16-4", "2-2-1 4-4-2 8-8-4 16-16-4"),
        ((1, 1, 1), "8-8-16", "2 4 8 8-8-16"),
        (None, "8-8-1", "2-2-1 4-4-1 8-8-1"),
        (None, "8", "2 4 8"),
    ],
)
def test_the_worked_examples(voxel_size: tuple[float, ...] | None, coarsest: str, mags: str) -> None:
    assert scheme(voxel_size, coarsest) == mags


def test_a_pyramid_goes_on_from_any_mag() -> None:
    assert scheme((1, 1, 1), "16", "4-4-2") == "8 16"
    assert scheme(None, "8", "2-2-1") == "4-4-2 8-8-4"
    assert scheme((1, 1, 1), "4", "4") == ""


def test_goals_that_are_finer_or_out_of_reach() -> None:
    with pytest.raises(AssertionError, match="is finer than the mag to start from, 4"):
        scheme((1, 1, 1), "8-8-2", "4")
    with pytest.raises(RuntimeError, match="The coarsest mag 4-4-1 can not be reached"):
        scheme((1, 1, 1), "4-4-1")


def test_mags_of_other_layers_guide_the_choice() -> None:
    size = Vec3Float(1, 1, 1)
    others = [[Mag(1), Mag("2-2-1"), Mag("4-4-2")], [Mag(1)]]
    found = mags_to_downsample(Mag(1), Mag(16), others, size)
    assert [mag.to_layer_name() for mag in found] == ["2-2-1", "4-4-2", "8", "16"]
    with pytest.raises(AssertionError, match="both the mag 2 and the mag 2-2-1"):
        mags_to_downsample(Mag(1), Mag(16), [[Mag(2)], [Mag("2-2-1")]], size)
    with pytest.warns(UserWarning, match="coarser than 4-4-1 along an axis"):
        found = mags_to_downsample(Mag(1), Mag("4-4-1"), [[Mag(2)]], None)
    assert found[0] == Mag(2)


@pytest.mark.parametrize(
    ("size", "mag"),
    [
        ((1, 1, 10**6), 4), ((20, 40, 60), 4), ((100, 100, 100), 4), ((256, 256, 1), 4), ((400, 10, 5000), 4),
        ((401, 1, 1), 8), ((1000, 1000, 1), 16), ((1600, 1, 1), 16), ((1601, 1, 1), 32), ((4096, 1, 1), 64),
        ((10000, 1, 1), 128), ((16384, 65536, 16384), 1024), ((32768, 1, 1), 512), ((1, 65536, 1), 1024),
        ((131072, 262144, 131072), 4096),
    ],
)  # fmt: skip
def test_the_default_goal_makes_the_longer_side_about_a_hundred_voxels(
    size: tuple[int, ...], mag: int
) -> None:
    assert default_coarsest_mag(Vec3Int(size)) == Mag(mag)


def test_an_empty_layer_has_no_default_goal() -> None:
    with pytest.raises(ValueError, match="An empty layer has no pyramid"):
        default_coarsest_mag(Vec3Int(0, 0, 5))


def test_sampling_modes_by_name() -> None:
    assert SamplingModes.parse("auto") is SamplingModes.ANISOTROPIC
    assert SamplingModes.parse("Constant_Z") is SamplingModes.CONSTANT_Z
    assert SamplingModes.parse(SamplingModes.ISOTROPIC) is SamplingModes.ISOTROPIC
    with pytest.raises(ValueError, match="'foo' is not a sampling mode") as caught:
        SamplingModes.parse("foo")
    assert "anisotropic, isotropic, constant_z" in str(caught.value)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.tuples(*(st.floats(0.1, 100),) * 3), st.integers(0, 8))
def test_every_scheme_is_a_chain_that_doubles_its_largest_factor(
    voxel_size: tuple[float, float, float], exponent: int
) -> None:
    mags = [Mag(1), *mags_to_downsample(Mag(1), Mag(2**exponent), NONE, Vec3Float(voxel_size))]
    assert [mag.max_dim for mag in mags] == [2**n for n in range(exponent + 1)]
    for finer, coarser in itertools.pairwise(mags):
        assert all(b % a == 0 for a, b in zip(finer, coarser, strict=True))
