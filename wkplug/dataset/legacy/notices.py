"""How a deprecated spelling makes itself known: one warning, one wording, on the user's own line.

`deprecated` names the spelling and what to write instead. The warning points at the first line outside of this
package, however many of our own frames lie between: Python shows deprecations by default only if that line is
in `__main__`.

Who calls it: the adapters of this package.
"""

from __future__ import annotations

import sys
import warnings

__all__ = ["deprecated", "warn_user"]


def deprecated(spelling: str, instead: str) -> None:
    """Warn that `spelling` is deprecated and that `instead` is today's; "" if it just can be left out."""
    advice = f"please use `{instead}` instead" if instead else "please leave it out: it has no effect"
    warn_user(f"[DEPRECATION] `{spelling}` is deprecated, {advice}.", DeprecationWarning)


def warn_user(text: str, category: type[Warning]) -> None:
    """Warn at the line of the caller who is outside of this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    warnings.warn_explicit(
        text,
        category,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=frame.f_globals.get("__name__") or "<script>",  # None would silence it
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
        source=None,
    )


def _is_ours(module: str) -> bool:
    # `contextlib` runs our context managers: it is never the caller.
    return module in ("wkplug", "contextlib") or module.startswith("wkplug.")
