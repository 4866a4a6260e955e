"""Damage: files that were cut, emptied or scribbled on never become voxels, memory or crashes.

The kit finds a backend's metadata files by looking: all that is there before anything was written. Shards are
the rest. Everything happens in one fresh process with little memory, so that a crash or a huge allocation is
a failed test and not the end of the test run.
"""

# ruff: noqa: D102
# The reason: tests are named as sentences.

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.testing import children
from wkplug.testing.bench import BackendFixtures, Bench, whole
from wkplug.testing.checks import breaks, holds

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from wkplug.abc import Location

__all__ = ["DamagePart"]

_TRY = "wkplug.testing.damaging:try_damage"


class DamagePart(BackendFixtures):
    """Damaged metadata and shards."""

    def test_damaged_metadata_is_reported_as_such(self, bench: Bench) -> None:
        self.need_sharing(bench)
        location = bench.place()
        bench.create(location=location).close()
        files = all_files(location)
        holds(files, "an array has metadata, even when nothing was written yet", location=location.url)
        full = bench.full()
        full.array.flush()
        self._survives(bench, full.location, files, "metadata", full.data)

    def test_truncated_shards_are_never_read_as_voxels(self, bench: Bench) -> None:
        self.need_sharing(bench)
        for compressed in (True, False):
            spec = bench.spec(compressed=compressed)
            location = bench.place()
            bench.create(location=location, spec=spec).close()
            metadata = set(all_files(location))
            full = bench.full(spec)
            full.array.flush()
            shards = [name for name in all_files(full.location) if name not in metadata]
            holds(shards, "what was written is in files below the array's location", got=all_files(location))
            self._survives(bench, full.location, shards[:3], "shard", full.data)

    def _survives(
        self,
        bench: Bench,
        location: Location,
        names: Iterable[str],
        kind: str,
        data: np.ndarray,
    ) -> None:
        outcomes = children.run(_TRY, bench.backend, location, list(names), kind, whole(data), data)
        wrong = [line for line, fine in outcomes if not fine]
        if wrong:
            promise = (
                f"a damaged {kind} file raises CorruptDataError (or is not needed), never another error, "
            )
            breaks(
                promise + "zeros, a crash or huge memory",
                cases=f"{len(wrong)} of {len(outcomes)}",
                first=wrong[:8],
            )
        cuts = [line for line, _ in outcomes if "CorruptDataError" in line]
        holds(
            cuts,
            f"at least one way of damaging a {kind} is noticed",
            outcomes=[line for line, _ in outcomes][:8],
        )


def all_files(location: Location, *, below: str = "") -> list[str]:
    """The relative names of all files in a folder."""
    found: list[str] = []
    folder = location.child(below) if below else location
    for name in folder.list():
        path = f"{below}/{name}" if below else name
        if name.endswith("/"):
            found += all_files(location, below=path.rstrip("/"))
        else:
            found.append(path)
    return sorted(found)
