"""Bottles, in the memory of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.filesystems.kept import KeptStore
from wkplug.abc import Filesystem, Location, Problem, located, storage_options
from wkplug.errors import ForbiddenError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Bottle(KeptStore):
    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        super().__init__(name)
        self.options = options

    @property
    def root(self) -> str:
        return f"bottle://{self.name}/"

    @property
    def public(self) -> Mapping[str, Any]:
        return {key: value for key, value in self.options.items() if key != "secret"}

    @property
    def has_secrets(self) -> bool:
        return "secret" in self.options


class PatientFilesystem(Filesystem):
    def __init__(self, settings: object) -> None:
        del settings

    def location(self, url: str, *, options: Mapping[str, Any] | None = None) -> Location:
        name, _, path = url.removeprefix("bottle://").partition("/")
        return located(Bottle(name, {**storage_options(url), **(options or {})}), path)


class FastFilesystem(PatientFilesystem):
    def problems(self, url: str, *, options: Mapping[str, Any] | None = None) -> Iterable[Problem]:
        if "profile" in {**storage_options(url), **(options or {})}:
            yield Problem(code="options", text="it knows no profiles", error_type=ForbiddenError)
