"""What every store of a bucket has in common, whichever driver makes its requests.

Stores that answer "forbidden" for what isn't there (those that refuse to list) are recognised: when an object is
refused without a reason, one that surely doesn't exist is asked for in the same folder, once. If that is refused as
well, nobody can tell whether the first is there, and the error says so. It is taken for missing only where the option
`refused_is_missing` says that such answers mean that.
"""

from __future__ import annotations

import threading
import uuid
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Self

from wkplug.abc import Store, StoreFailure
from wkplug.errors import ForbiddenError
from wkplug_cloud import amazon, google
from wkplug_cloud.access import NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wkplug_cloud.access import Access

__all__ = ["WRITE_ID", "BucketStore"]

WRITE_ID = "wkplugid"
"""The name in the metadata. Letters alone: Azure wants an identifier, and proxies drop headers with underscores."""


_EITHER = (
    "it may not be there, since listing the bucket isn't allowed, and then absent objects are refused, too"
)
_LISTING = {"s3": "s3:ListBucket", "gs": "storage.objects.list", "az": "Storage Blob Data Reader"}
_IS_MISSING = (
    "If you know that what is refused there is missing, set refused_is_missing = true in its settings."
)


class BucketStore(Store):
    """A bucket as an `Access` says; `reopen` makes one anew from a URL and options."""

    def __init__(self, access: Access, reopen: Callable[[str, Mapping[str, Any] | None], Store]) -> None:
        self.access = access
        self._reopen = reopen
        self._refused: dict[str, StoreFailure | None] = {}
        self._asking = threading.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.root!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_reopened, (self._reopen, self.root, dict(self.public)))

    @property
    def root(self) -> str:
        """The URL of the bucket."""
        return self.access.root

    @property
    def server(self) -> str:
        """The URL of the endpoint, or of the provider."""
        return self.access.server

    @property
    def public(self) -> Mapping[str, Any]:
        """The options that may travel."""
        return self.access.public

    @property
    def has_secrets(self) -> bool:
        """Whether options of the call stay behind when it travels."""
        return self.access.has_secrets

    @property
    def credentials_found(self) -> bool:
        """Whether anything says who is asking; if not, nobody is."""
        return bool(self.access.credentials.source)

    @property
    def certain(self) -> bool:  # type: ignore[override]  # depends on who answers
        """Whether the provider itself answers, and no stand-in that may pass over conditions."""
        return self.access.certain

    def renewed(self) -> Self | None:
        """Work out anew who is asking; None if that is still the same."""
        fresh = self._reopen(self.root, {**self.access.public, **self.access.given})
        return fresh if isinstance(fresh, type(self)) and fresh.access.key != self.access.key else None

    def native(self, kind: str, path: str) -> Mapping[str, Any] | None:
        """Answer "fsspec" and, where it can be told, "tensorstore.kvstore". Never store it: it may hold secrets."""
        access = self.access
        if kind == "fsspec":
            target = f"{access.bucket}/{path}".rstrip("/")
            return {"protocol": access.scheme, "path": target, "options": dict(access.driver)}
        if kind != "tensorstore.kvstore":
            return None
        return {"s3": amazon.kvstore, "gs": google.kvstore}.get(access.provider, _untold)(access, path)

    def explained(self, failure: StoreFailure, path: str) -> StoreFailure:
        """Say of a refusal what can be known about it: that nobody asked by name, that absent objects are refused."""
        unclear = failure.status in (400, 403) and path and not failure.text
        absent = self._refusal_of_absent(path) if unclear else None
        if absent is not None and absent.text:  # the reason, which answers to HEAD don't tell
            return absent
        if failure.kind != "forbidden":
            return failure
        if absent is not None and self.access.refused_is_missing:
            return StoreFailure("missing", status=403)
        if not self.credentials_found:
            return StoreFailure("forbidden", NOBODY[0], status=failure.status, hint=NOBODY[1])
        if absent is None:
            return failure
        advice = (
            "It is read anonymously: if it isn't public, give credentials in place of anon = true."
            if self.access.credentials.anonymous
            else f"Ask for the permission to list the bucket ({_LISTING[self.access.provider]})."
        )
        return StoreFailure("forbidden", _EITHER, status=403, hint=f"{advice} {_IS_MISSING}")

    def _refusal_of_absent(self, path: str) -> StoreFailure | None:
        """How an object that surely isn't there is refused in the folder of `path`, if it is; asked once."""
        folder = path.rpartition("/")[0]
        with self._asking:
            if folder not in self._refused:
                found = None
                try:
                    self._probe("/".join(filter(None, (folder, f"wkplug-{uuid.uuid4().hex}"))))
                except Exception as error:  # noqa: BLE001 - whatever it is, only a refusal counts
                    found = error if isinstance(error, StoreFailure) and error.kind == "forbidden" else None
                self._refused[folder] = found
            return self._refused[folder]

    @abstractmethod
    def _probe(self, path: str) -> None:
        """Read a little of an object; what fails is not explained."""

    def check_credentials(self) -> None:
        """Raise a ForbiddenError that names what is wrong with the credentials, if something is."""
        problem = self.access.credentials.problem
        if problem is not None:
            text, hint = problem
            raise ForbiddenError(f"{self.root[:-1]} can't be reached: {text}.", hint=hint)


def _untold(access: Access, path: str) -> None:
    """tensorstore has no driver for Azure."""
    del access, path


def _reopened(
    reopen: Callable[[str, Mapping[str, Any] | None], Store], root: str, public: Mapping[str, Any]
) -> Store:
    return reopen(root, public)
