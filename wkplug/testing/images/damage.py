"""Damage: files that were cut or scribbled on give errors of the contract, never crashes, hangs or huge memory.

Everything happens in one fresh process with little memory, so that a crash is a failed test and not the end of
the test run; a hang ends with that process.
"""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.testing import children
from wkplug.testing.checks import breaks, holds
from wkplug.testing.images.samples import ImageBench, ImageFixtures
from wkplug.testing.profiles import thorough

if TYPE_CHECKING:
    from wkplug.testing.images.samples import ImageSample

__all__ = ["DamagePart"]

_TRY = "wkplug.testing.images.damaging:try_damaged_images"
_LARGEST = 4 << 20


class DamagePart(ImageFixtures):
    """Damaged files."""

    def test_damaged_files_give_errors_of_the_contract(self, bench: ImageBench) -> None:
        samples = [sample for sample in bench.files() if _small(sample)]
        self.need(samples, "samples of up to 4 MB that may be damaged")
        facts = [
            (str(sample), str(sample.path), [str(path) for path in sample.companions], sample.scene,
             sample.expected, sample.tolerance, sample.checksums)
            for sample in samples
        ]  # fmt: skip
        rounds = 400 if thorough() else max(12, 80 // len(samples))
        outcomes: list[tuple[str, bool]]
        outcomes = children.run(_TRY, bench.reader, str(bench.folder), facts, rounds)
        wrong = [line for line, fine in outcomes if not fine]
        if wrong:
            promise = "a damaged file raises CorruptImageError, never another library's error, wrong voxels "
            breaks(promise + "of what was cut, a crash or huge memory",
                   cases=f"{len(wrong)} of {len(outcomes)}", first=wrong[:8])  # fmt: skip
        told = [line for line, _ in outcomes if ", cut to " in line and "CorruptImageError" in line]
        holds(told, "a file that was cut short is noticed", outcomes=[line for line, _ in outcomes][:8])


def _small(sample: ImageSample) -> bool:
    return sample.damage and sample.path.stat().st_size <= _LARGEST and sample.expected.nbytes <= 8 * _LARGEST
