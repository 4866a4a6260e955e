"""Choosing an interpolation mode, and who computes it.

A mode is one question, its implementation another: the mode's own spec says for which categories and dtypes it
is honest; specs that implement it ("median+numba" implements "median") are faster ways to the same bits. They
come first by priority, and each block goes to the first that takes it, so that an engine which is slow to
start is not started for a few voxels. One that is broken or missing is left out with a warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wkplug.abc.interpolations import Interpolation
from wkplug.errors import UnableError, UnsupportedDtypeError
from wkplug.notices import listed
from wkplug.registry.plugins import INTERPOLATION
from wkplug.registry.registry import current_registry

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wkplug.registry.manager import Registered

__all__ = ["Implementations", "interpolation", "interpolations"]


class Implementations(Interpolation):
    """One mode with several implementations, the preferred ones first; the last is the mode's own."""

    def __init__(self, members: tuple[Interpolation, ...]) -> None:
        self.members = members
        own = members[-1]
        # Per instance here, because one class stands for all modes.
        self.name, self.dtypes = own.name, own.dtypes  # type: ignore[misc]  # ClassVars
        self.centre_shift, self.keeps_mean = own.centre_shift, own.keeps_mean  # type: ignore[misc]  # the same

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.members,))

    def prepare(self, dtype: str, nbytes: int) -> None:
        """Tell all of them."""
        for member in self.members:
            member.prepare(dtype, nbytes)

    def reduce(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        """Let the first that takes the block compute it."""
        for member in self.members[:-1]:
            if member.takes(block, factors):
                return member.reduce(block, factors)
        return self.members[-1].reduce(block, factors)

    def expand(self, block: NDArray[Any], factors: tuple[int, ...]) -> NDArray[Any]:
        """As the mode itself does it."""
        return self.members[-1].expand(block, factors)


def interpolations(category: str | None = None) -> tuple[str, ...]:
    """Give the names of all interpolation modes, or of those that suit a layer's category; sorted.

    Further implementations of a mode ("median+numba") are not listed; they are found by name as well.
    """
    specs = [offer.spec for offer in current_registry().offers(INTERPOLATION)]
    return tuple(sorted({s.implements or s.name for s in specs if category in (None, *s.categories)}))


def interpolation(name: str, *, category: str, dtype: str) -> Interpolation:
    """Give an interpolation mode by name or alias, for a layer's category and dtype.

    A mode with several implementations comes as one object that asks for each block who takes it, those of
    high priority first; "mode+implementation" asks for one of them alone.

    UnknownNameError if there is none; UnableError if it would lie about such voxels (mean segment ids);
    UnsupportedDtypeError if it isn't made for the dtype.
    """
    registry, dtype = current_registry(), str(dtype)
    offers = registry.offers(INTERPOLATION)
    others = [offer for offer in offers if offer.spec.implements == name]
    known = any(name in (offer.spec.name, *offer.spec.aliases) for offer in offers)
    if others and not known:  # a mode that exists in other packages' implementations only
        return _able(min(others, key=_order), name, category, dtype)
    own = registry.find(INTERPOLATION, name)
    made = _able(own, name, category, dtype)
    found = []
    for offer in sorted((o for o in offers if o.spec.implements == own.spec.name), key=_order):
        with registry.left_out(offer.spec.name):
            other = registry.get(INTERPOLATION, offer.spec.name)
            if other.dtypes is None or dtype in other.dtypes:
                found.append(other)
    return Implementations((*found, made)) if found else made


def _order(offer: Registered) -> tuple[int, str]:
    return -offer.spec.priority, offer.spec.name


def _able(offer: Registered, name: str, category: str, dtype: str) -> Interpolation:
    """Build one, or say why it isn't for such a layer."""
    if category not in offer.spec.categories:
        raise UnableError(
            f"The interpolation mode '{name}' is not for {category} layers.",
            hint=f"For {category} layers there are: {listed(interpolations(category))}.",
        )
    made = current_registry().build(INTERPOLATION, offer)
    if made.dtypes is not None and dtype not in made.dtypes:
        raise UnsupportedDtypeError(
            f"The interpolation mode '{name}' is not made for {dtype}, only for {listed(made.dtypes)}.",
            hint=f"For {category} layers there are: {listed(interpolations(category))}.",
        )
    return made
