"""When to start numba: what the plain modes lose by not being compiled is added up until it pays.

Importing numba and making its first compiled function ready takes 0.8 s of CPU in every process (0.3 s the
import, 0.5 s the first function; measured with the compiled code on disk), each further function some 0.01 s.
In that time numpy reduces gigabytes, so a small job shall never know that numba is there. Where what is to come
is not known, it is decided as one decides between renting and buying: rent until the rent adds up to the price.
That costs at most twice what would have been best. Where it is known, as of pyramids, nothing is lost first.

Imports nothing heavy; `wkplug_numba.modes` asks it before each block.
"""

from __future__ import annotations

import threading
from functools import cache

__all__ = ["Engine", "engine"]

_FURTHER = 0.05
"""Which part of the price a further function has, once the first one runs."""


class Engine:
    """Adds up, per process, what was lost; one function is one mode with one dtype."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lost: dict[tuple[str, str], float] = {}
        self._ready: set[tuple[str, str]] = set()

    @property
    def started(self) -> bool:
        """Whether anything compiled is in use."""
        return bool(self._ready)

    def expects(self, function: tuple[str, str], lost: float, after: float) -> None:
        """Decide beforehand: `lost` seconds are going to be lost if nothing compiled is used."""
        if function in self._ready:
            return
        with self._lock:
            if lost > (after * _FURTHER if self._ready else after):
                self._ready.add(function)

    def pays(self, function: tuple[str, str], lost: float, after: float) -> bool:
        """Whether to use a compiled function from now on; `lost`: seconds that are lost if not.

        after: the seconds that may be lost before the first one is used.
        """
        if function in self._ready:
            return True
        with self._lock:
            price = after * _FURTHER if self._ready else after
            before = self._lost.get(function, 0.0)
            if before + lost <= price and price > 0:
                self._lost[function] = before + lost
                return False
            self._ready.add(function)
        return True


@cache
def engine() -> Engine:
    """Give the engine of this process."""
    return Engine()
