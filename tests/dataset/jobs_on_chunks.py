"""Functions that go to other processes: they must be importable there."""

from __future__ import annotations

import os
import signal
from typing import Any

import wkplug as wk


def total(view: wk.View) -> int:
    return int(view.read().sum())


def process(view: wk.View) -> int:
    return os.getpid()


def setting(view: wk.View) -> Any:
    return wk.config.current().lock_timeout


def double(args: tuple[wk.View, int], factor: int = 2) -> None:
    view, _ = args
    view.write(view.read() * factor)


def fail(view: wk.View) -> None:
    raise KeyError(f"no {view.bounding_box.topleft.x}")


def die(given: Any) -> None:
    signal.raise_signal(signal.SIGTERM)
