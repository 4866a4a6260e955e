"""What speaks against an offer, said before it is chosen."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Problem"]


class Problem(NamedTuple):
    """A reason why a backend or a filesystem can't do something here, or shouldn't.

    An "error" takes it out of the choice (and is raised where the user asked for it by name, as
    `error_type` if that is given); a "warning" becomes a UserWarning.
    """

    code: str
    text: str
    remedy: str = ""
    severity: Literal["error", "warning"] = "error"
    error_type: type[Exception] | None = None
