"""One run of the benchmark, which all groups are given: where the files are, who works, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sides import Sides

__all__ = ["Bench"]


@dataclass(frozen=True)
class Bench:
    """Where the files are, who works, and how often."""

    sides: Sides
    folder: Path
    turns: int

    def in_turns(
        self, *, rounds: int | None = None, warm: bool = True, **calls: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """Let the sides do something one after the other, several times; a turn to warm up doesn't count."""
        found: dict[str, list[dict[str, Any]]] = {side: [] for side in calls}
        for number in range(-warm, rounds or self.turns):
            for side, call in calls.items():
                answer = call()
                if number >= 0:
                    found[side].append(answer)
        return found

    def both(
        self, do: str, engine: str | None = None, rounds: int | None = None, warm: bool = True, **args: Any
    ) -> dict[str, Any]:
        """Let both sides, and an engine alone, do the same in turns; the processes are kept ones."""
        calls: dict[str, Any] = {
            "ours": partial(self.sides.ask, "wkplug", do, **args),
            "peer": partial(self.sides.ask, "webknossos", do, **args),
        }
        if engine is not None:
            calls["engine"] = partial(self.sides.ask, "engines", engine, **args)
        return self.in_turns(rounds=rounds, warm=warm, **calls)

    @property
    def few(self) -> int:
        """How often what takes long is done."""
        return max(1, self.turns - 2)

    def path(self, name: str) -> str:
        """A prepared file or dataset."""
        return str(self.folder / name)
