"""Buckets through obstore: each method is one request, made once; what is tried again, and how often, is the core's.

Connections are shared by all stores of a process that reach the same bucket in the same way. obstore's threads don't
survive a fork: a child that was forked from a process that had used it goes through fsspec's driver, if that is
installed, and gets a ForkError if not.
"""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from functools import cached_property, wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, ParamSpec, TypeVar

from wkplug.abc import StoreFailure, StoreObject, side_by_side
from wkplug.errors import ForbiddenError, ForkError
from wkplug_cloud.buckets import WRITE_ID, BucketStore
from wkplug_cloud.failures import is_partial, page_failure, region_of, store_failure
from wkplug_cloud.regions import region_of_bucket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from wkplug.abc import Store
    from wkplug_cloud.access import Access
    from wkplug_cloud.drivers import DriverStore

__all__ = ["AzureObjects", "GoogleObjects", "ObstoreStore", "S3Objects"]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_LARGEST_SINGLE_PUT = 100 * 2**20
"""Larger objects are sent in parts, side by side, unless on a condition; the store makes the object of all or none."""
_PART = 16 * 2**20
_PART_RETRIES = 3
"""How often each part is sent again, so that one lost connection doesn't cost all the others."""
_PAGE = 1000
_TIMEOUTS = {"connect_timeout": "10s", "read_timeout": "60s", "timeout": "900s"}
"""Of one request. obstore's own 30 seconds for a whole upload would be too short for a shard on a slow line."""


class _Clients:
    """obstore's stores of this process, one for each way to reach a bucket."""

    def __init__(self) -> None:
        self.user: int | None = None  # the process that used obstore first
        self.lock = threading.Lock()
        self.made: dict[tuple[Any, ...], Any] = {}

    @property
    def lost(self) -> bool:
        """Whether this process was forked from one that had used obstore."""
        return self.user is not None and self.user != os.getpid()

    def client(self, access: Access, make: Callable[..., Any], *, retries: int = 0, **more: Any) -> Any:
        key = (*access.key, retries, tuple(sorted(more.items())))
        found = self.made.get(key)
        if found is None:
            with self.lock:
                self.user = os.getpid()
                found = self.made[key] = make(
                    access.bucket,
                    config={**access.config, **more},
                    client_options={**_TIMEOUTS, **access.client},
                    retry_config={"max_retries": retries},
                )
        return found


_clients = _Clients()


def _by_driver_where_forked(
    method: Callable[Concatenate[Any, Parameters], Result],
) -> Callable[Concatenate[Any, Parameters], Result]:
    """Let fsspec's driver do it in a process that was forked from one that had used obstore."""

    @wraps(method)
    def do(self: Any, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if not _clients.lost:
            return method(self, *args, **kwargs)
        found: Result = getattr(self._driver, method.__name__)(*args, **kwargs)
        return found

    return do


class ObstoreStore(BucketStore):
    """A bucket through obstore, as an `Access` says; the providers differ in little."""

    conditional: ClassVar[bool] = True
    largest_request: ClassVar[int | None] = None
    """How many bytes can be put in one request."""
    without_batches: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """The setting that makes obstore delete one by one, for stores that can't do it otherwise."""

    def __init__(self, access: Access, reopen: Callable[[str, Mapping[str, Any] | None], Store]) -> None:
        super().__init__(access, reopen)
        self._more: dict[str, Any] = {}

    @abstractmethod
    def _make(self, bucket: str, **how: Any) -> Any:
        """Import obstore and make its store."""

    def _client(self, retries: int = 0) -> Any:
        self.check_credentials()
        return _clients.client(self.access, self._make, retries=retries, **self._more)

    @cached_property
    def _driver(self) -> DriverStore:
        """The store that does the work of this one in a forked child."""
        from wkplug_cloud.drivers import driver_store  # loads a driver

        try:
            return driver_store(self.access, self._reopen)
        except ImportError:
            raise ForkError(
                "This process was forked from one that had used obstore, whose threads don't survive that: "
                "any use would hang.",
                hint='Start workers with "spawn" or "forkserver" (multiprocessing.get_context("spawn")), fork before '
                f"the first use, or pip install 'wkplug-cloud[{self.access.package}]'.",
            ) from None

    def _do(self, call: Callable[[Any], Result], path: str = "") -> Result:
        """Call with obstore's store; its errors come as StoreFailures."""
        try:
            return call(self._client())
        except (ForbiddenError, StoreFailure):
            raise
        except Exception as error:  # noqa: BLE001 - raised below, as what it means
            failure = store_failure(error)
            again = self._elsewhere(error)
        # Outside of the handler, so that obstore's text, with its URLs and its XML, is not shown as a cause.
        if again:
            return self._do(call, path)
        raise self.explained(failure, path)

    def _elsewhere(self, error: Exception) -> bool:
        """Whether to ask again, because it has been learnt where the bucket lies."""
        del error
        return False

    def _probe(self, path: str) -> None:
        try:
            self._client().get(path, options={"range": (0, 1)})
        except Exception as error:  # noqa: BLE001 - raised below, as what it means
            failure = store_failure(error)
        else:
            return
        raise failure

    @_by_driver_where_forked
    def get(
        self, path: str, start: int | None = None, stop: int | None = None, *, unless: str = ""
    ) -> tuple[bytes, StoreObject]:
        """Read an object, or a range of it, in one request."""
        options: dict[str, Any] = {}
        if start is not None and start < 0 and (stop is not None or not self.reads_ends):
            size = self.get(path, 0, 1)[1].size or 0  # HEAD doesn't say what it is that isn't there
            start, stop, _ = slice(start, stop).indices(size)
        if stop is not None and stop <= (start or 0):
            return b"", self.head(path)
        if stop is not None:
            options["range"] = (start or 0, stop)
        elif start:
            options["range"] = {"offset": start} if start > 0 else {"suffix": -start}
        self._unless(options, unless)
        try:
            data, found = self._do(lambda client: self._got(client, path, options), path)
        except _WholeError:
            data, found = self._do(lambda client: self._got(client, path, {}), path)
            data = data[slice(start, stop)]
        except StoreFailure as failure:
            if failure.status == 416:
                return b"", self.head(path)
            raise
        if unless and found.version == unless:
            raise StoreFailure("unchanged")
        return data, found

    def _unless(self, options: dict[str, Any], version: str) -> None:
        if version:
            options["if_none_match"] = f'"{version}"'

    def _got(self, client: Any, path: str, options: dict[str, Any]) -> tuple[bytes, StoreObject]:
        try:
            answer = client.get(path, options=options)
        except Exception as error:
            if options.get("range") and is_partial(error):
                raise _WholeError("unsupported") from None
            raise
        if not answer.meta.get("e_tag") and "html" in str(answer.attributes.get("Content-Type")):
            raise page_failure(None)
        return bytes(answer.bytes()), self._object(answer.meta, answer.attributes)

    def _object(self, meta: Mapping[str, Any], attributes: Mapping[str, str]) -> StoreObject:
        return StoreObject(self._version(meta), int(meta["size"]), attributes.get(WRITE_ID, ""))

    def _version(self, meta: Mapping[str, Any]) -> str:
        return str(meta.get("e_tag") or "").strip('"')

    @_by_driver_where_forked
    def head(self, path: str) -> StoreObject:
        """Look at an object."""

        def look(client: Any) -> StoreObject:
            answer = client.get(path, options={"head": True})
            if (
                answer.attributes.get("hdi_isfolder") == "true"
            ):  # a folder of Azure's, which shows as an object
                raise StoreFailure("missing")
            return self._object(answer.meta, answer.attributes)

        return self._do(look, path)

    @_by_driver_where_forked
    def put(self, path: str, data: bytes, *, if_match: str | None = None, write_id: str = "") -> StoreObject:
        """Put a whole object; the store checks the condition."""
        how: dict[str, Any] = {"use_multipart": False}
        if write_id:
            how["attributes"] = {WRITE_ID: write_id}
        if if_match is None and len(data) > _LARGEST_SINGLE_PUT:
            how |= {"use_multipart": True, "chunk_size": _PART}
            made = self._do(lambda _: self._client(_PART_RETRIES).put(path, data, **how))
            return StoreObject(self._version(made), len(data), write_id)
        if self.largest_request is not None and len(data) > self.largest_request:
            raise StoreFailure(
                "broken",
                f"a part of it can only be changed by sending all of it in one request, and its {len(data):,} bytes "
                f"are more than the {self.largest_request:,} that such a store takes",
                hint="Write whole shards, which are sent in parts, or make the array with smaller shards.",
            )
        if if_match is not None:
            how["mode"] = self._matching(if_match) if if_match else "create"
        made = self._do(lambda client: client.put(path, data, **how))
        return StoreObject(self._version(made), len(data), write_id)

    def _matching(self, version: str) -> dict[str, str]:
        return {"e_tag": f'"{version}"'}

    @_by_driver_where_forked
    def names(self, path: str) -> Iterator[str]:
        """The names directly below, of all pages."""
        found = self._do(lambda client: client.list_with_delimiter(path or None))
        start = f"{path}/" if path else ""
        folders = {name.removeprefix(start).strip("/") for name in found["common_prefixes"]}
        yield from (f"{name}/" for name in folders if name)
        for each in found["objects"]:
            name = each["path"].removeprefix(start)
            if name and name not in folders and each["path"] != path:
                yield name

    @_by_driver_where_forked
    def sizes(self, path: str) -> Iterator[tuple[str, int]]:
        """All objects below, page by page."""
        pages = self._do(lambda client: iter(client.list(path or None, chunk_size=_PAGE)))
        start = f"{path}/" if path else ""
        while (page := self._do(lambda _: next(pages, None))) is not None:
            for each in page:
                if each["path"] != path:
                    yield each["path"].removeprefix(start), int(each["size"])

    @_by_driver_where_forked
    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects, many in one request where the store can."""
        if len(paths) > 1:
            try:
                self._do(lambda client: client.delete(list(paths)))
            except StoreFailure as failure:
                # An object that isn't there ends the batch of some stores early; others know no batches.
                if failure.kind not in ("missing", "unsupported", "broken"):
                    raise
            else:
                return
            self._more |= self.without_batches
        for _ in side_by_side(self._delete_one, paths, at_once=self.concurrency):
            pass

    def _delete_one(self, path: str) -> None:
        try:
            self._do(lambda client: client.delete(path), path)
        except StoreFailure as failure:
            if failure.kind != "missing" or failure.text:
                raise


class _WholeError(StoreFailure):
    """A server that knows no ranges, or an empty object: the whole is read and cut."""


class S3Objects(ObstoreStore):
    """A bucket of S3. A bucket of Amazon's whose region nobody told is looked for when it is answered "elsewhere"."""

    largest_request: ClassVar[int | None] = 5 * 2**30
    without_batches = MappingProxyType({"disable_bulk_delete": True})

    def _make(self, bucket: str, **how: Any) -> Any:
        from obstore.store import S3Store  # the first use loads it

        config = how["config"]
        if "access_key_id" in config and "session_token" not in config and _token_in_the_way():
            keys = {
                "access_key_id": config.pop("access_key_id"),
                "secret_access_key": config.pop("secret_access_key"),
                "token": None,
                "expires_at": None,
            }
            how["credential_provider"] = lambda: keys
        return S3Store(bucket, **how)

    def _elsewhere(self, error: Exception) -> bool:
        region = region_of(error)
        if region is None or "region" in self._more or "aws_endpoint_url_s3" in self.access.config:
            return False
        region = region or region_of_bucket(self.access.bucket)
        if not region:
            return False
        self._more["region"] = region
        return True


def _token_in_the_way() -> bool:
    """Whether the environment has a session token, which obstore would take along with keys from elsewhere."""
    return any(os.environ.get(name) for name in ("AWS_SESSION_TOKEN", "AWS_TOKEN"))


class GoogleObjects(ObstoreStore):
    """A bucket of Google's. Versions are generations: the ETag stays the same when the same bytes are put again."""

    def _make(self, bucket: str, **how: Any) -> Any:
        from obstore.store import GCSStore  # the first use loads it

        return GCSStore(bucket, **how)

    def _unless(self, options: dict[str, Any], version: str) -> None:
        """Ask for it in any case: what obstore could compare is the ETag, which says too little."""

    def _version(self, meta: Mapping[str, Any]) -> str:
        return str(meta.get("version") or meta.get("e_tag") or "").strip('"')

    def _matching(self, version: str) -> dict[str, str]:
        if not version.isdigit():  # Google refuses as no number what can't be the version of any object
            raise StoreFailure("conflict", status=412)
        return {"version": version}


class AzureObjects(ObstoreStore):
    """A container of Azure's, which has no ranges that count from the end."""

    kind = "az"
    largest_request: ClassVar[int | None] = 5000 * 2**20
    reads_ends: ClassVar[bool] = False

    def _make(self, bucket: str, **how: Any) -> Any:
        from obstore.store import AzureStore  # the first use loads it

        return AzureStore(bucket, **how)
