"""The one policy for requests that fail for a passing reason: how often, how long apart, and until when.

The settings `retries.attempts` and `retries.deadline` bound how often something is tried and how many seconds all tries
take together. Pauses double and are jittered, so that many workers don't come back at once; a busy server gets longer
ones than a lost connection, and as long as it asks for. The error of what fails in the end says how often it was tried.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from wkplug.abc import StoreFailure
from wkplug.config import current
from wkplug.filesystems.failures import http_status, is_transient, sort_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from wkplug.errors import WkplugError

__all__ = ["Tries", "with_retries"]

Result = TypeVar("Result")

_LATER = "Try again later; the settings retries.attempts and retries.deadline say how often and how long it is tried."
_THROTTLED = frozenset({429, 503})
_FIRST_PAUSE = 0.1
_FIRST_PAUSE_THROTTLED = 0.4
_LONGEST_PAUSE = 10.0


class Tries:
    """The tries at one thing: after each failure it says whether to try again, and waits until then."""

    def __init__(self, most: int | None = None) -> None:
        settings = current()
        self.most = settings.retries_attempts if most is None else most
        self.deadline = settings.retries_deadline
        self.started = time.monotonic()
        self.made = 1

    def again(self, error: BaseException) -> bool:
        """Wait, if trying again may help and there is time; else the failure is final."""
        if not is_transient(error) or self.made >= self.most:
            return False
        pause = self._pause(error)
        if time.monotonic() - self.started + pause > self.deadline:
            return False
        time.sleep(pause)
        self.made += 1
        return True

    def _pause(self, error: BaseException) -> float:
        # The jitter spreads retries; it guards no secret.
        import random

        first = _FIRST_PAUSE_THROTTLED if http_status(error) in _THROTTLED else _FIRST_PAUSE
        pause: float = min(first * 2 ** (self.made - 1), _LONGEST_PAUSE) * (0.5 + random.random())  # noqa: S311
        return max(pause, _asked_to_wait(error))

    def failure(self, error: BaseException, action: str, url: str) -> WkplugError:
        """Make the error for people of the last try's, with the count of tries and the time that they took."""
        failure = sort_failure(error, action, url)
        if is_transient(error):
            wait = _asked_to_wait(error)
            if wait and self.made < self.most:
                failure.message += f" It asks to wait {wait:g} s."
            if self.made > 1:
                failure.message += f" Tried {self.made} times in {time.monotonic() - self.started:.1f} s."
            failure.hint = failure.hint or _LATER
        return failure


def _asked_to_wait(error: BaseException) -> float:
    return error.wait or 0.0 if isinstance(error, StoreFailure) else 0.0


def with_retries(call: Callable[[], Result], action: str, url: str, *, attempts: int | None = None) -> Result:
    """Do `call`; repeat it while it fails for a passing reason, as the settings say, or up to so many `attempts`.

    What fails in the end is raised as `sort_failure` says. `call` must be safe to repeat.
    """
    tries = Tries(attempts)
    while True:
        try:
            return call()
        except Exception as error:
            if not tries.again(error):
                failure = tries.failure(error, action, url)
                if failure is error:
                    raise
                raise failure from error
