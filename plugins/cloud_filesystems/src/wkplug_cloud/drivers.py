"""Buckets through fsspec's drivers: for options, credentials and servers that obstore can't speak to.

The drivers' own calls of the provider's interface are used, since what fsspec has in common for all of them knows no
conditions, no versions, and asks several times for one object. What fails is raised as the driver did, with its HTTP
status, or as a StoreFailure.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from abc import abstractmethod
from collections import deque
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from wkplug.abc import StoreFailure, StoreObject, side_by_side
from wkplug.errors import InvalidArgumentError, PluginMissingError, WkplugError
from wkplug_cloud.buckets import WRITE_ID, BucketStore
from wkplug_cloud.failures import ABSENT_BUCKET, STRANGER, another_range, answered, code_of, is_page

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence

    from wkplug.abc import Store
    from wkplug_cloud.access import Access

__all__ = ["AzureDriver", "DriverStore", "GoogleDriver", "S3Driver", "driver_store", "installed"]

_BROKE_OFF = "the connection ended before the whole answer had come"
_LATE = "the server did not answer in time"
_NOBODY = "nothing answers at its address"
_LOST = {
    "ClientOSError": _BROKE_OFF, "ClientPayloadError": _BROKE_OFF, "ConnectionClosedError": _BROKE_OFF,
    "IncompleteRead": _BROKE_OFF, "IncompleteReadError": _BROKE_OFF, "ResponseStreamingError": _BROKE_OFF,
    "ServerDisconnectedError": _BROKE_OFF, "ConnectTimeoutError": _LATE, "ConnectionTimeoutError": _LATE,
    "ReadTimeoutError": _LATE, "ServerTimeoutError": _LATE, "ServiceResponseTimeoutError": _LATE,
    "ClientConnectorError": _NOBODY, "EndpointConnectionError": _NOBODY,
}  # fmt: skip
"""What the drivers' libraries call answers that never came; their own texts show signed addresses."""
_opened: dict[tuple[Any, ...], Any] = {}
"""The drivers of this process: their connections don't survive a fork."""


def installed(package: str) -> bool:
    """Whether a driver can be imported; it isn't."""
    return find_spec(package) is not None


def driver_store(access: Access, reopen: Callable[[str, Mapping[str, Any] | None], Store]) -> DriverStore:
    """Make the store of an access that goes through a driver. ImportError if that is not installed."""
    if not installed(access.package):
        raise ImportError(access.package)
    kinds: dict[str, type[DriverStore]] = {"s3": S3Driver, "gs": GoogleDriver, "az": AzureDriver}
    return kinds[access.provider](access, reopen)


class DriverStore(BucketStore):
    """A bucket through one of fsspec's drivers."""

    conditional: ClassVar[bool] = True

    def __init__(self, access: Access, reopen: Callable[[str, Mapping[str, Any] | None], Store]) -> None:
        super().__init__(access, reopen)
        self._arrived: deque[str] = deque(maxlen=64)
        """The ids of the last puts that were answered."""

    def _driver(self) -> Any:
        """Give fsspec's filesystem, one per process and way to reach the bucket."""
        self.check_credentials()
        key = (os.getpid(), *self.access.key)
        found = _opened.get(key)
        if found is None:
            _opened[key] = found = self._opened()
        return found

    def _opened(self) -> Any:
        package = self.access.package
        try:
            kind = self._kind()
        except ImportError as error:
            raise PluginMissingError(
                f"{self.root} needs the package {package} as it is asked for, which is not installed: "
                + "; ".join(problem.text for problem in self.access.problems)
                + ".",
                hint=f"pip install 'wkplug-cloud[{package}]'",
            ) from error
        try:
            # A cached listing would hide what other processes write, and a cached driver keeps old credentials.
            return kind(**self._options(), use_listings_cache=False, skip_instance_cache=True)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidArgumentError(
                f"{self.root} can't be opened: {package} wants other options ({type(error).__name__}).",
                hint="Check the storage options for it, in the call and in the settings.",
            ) from None

    def _options(self) -> Mapping[str, Any]:
        return self.access.driver

    @abstractmethod
    def _kind(self) -> Any:
        """Import the driver and give its class."""

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run on the driver's own loop, and wait for it."""
        import fsspec.asyn  # with the driver

        return fsspec.asyn.sync(self._driver().loop, lambda: work)

    def _key(self, path: str) -> str:
        return f"{self.access.bucket}/{path}" if path else self.access.bucket

    def get(
        self, path: str, start: int | None = None, stop: int | None = None, *, unless: str = ""
    ) -> tuple[bytes, StoreObject]:
        """Read an object, or a range of it, in one request."""
        try:
            return self._ranged(path, start, stop, unless)
        except StoreFailure as failure:
            raise self.explained(failure, path) from None

    def _ranged(
        self, path: str, start: int | None, stop: int | None, unless: str
    ) -> tuple[bytes, StoreObject]:
        if start is not None and start < 0 and (stop is not None or not self.reads_ends):
            start, stop, _ = slice(start, stop).indices(self.get(path, 0, 1)[1].size or 0)
        if stop is not None and stop <= (start or 0):
            return b"", self.head(path)
        wanted = None if start is None and stop is None else _range_header(start or 0, stop)
        try:
            with _told():
                data, found, first = self._get(path, wanted, unless)
        except StoreFailure as failure:
            if wanted is None or failure.status != 416:
                raise
            return b"", self.head(path)
        if unless and found.version == unless:
            raise StoreFailure("unchanged")
        if wanted is None:
            return data, found
        if first is None:
            return data[slice(start, stop)], found
        if first != (start or 0) + (max(-(start or 0), found.size or 0) if (start or 0) < 0 else 0):
            raise another_range()
        return data, found

    def head(self, path: str) -> StoreObject:
        """Look at an object."""
        try:
            with _told(bodies=False):
                return self._head(path)
        except StoreFailure as failure:
            raise self.explained(failure, path) from None

    def _probe(self, path: str) -> None:
        with _told():
            self._get(path, "bytes=0-0", "")

    def put(self, path: str, data: bytes, *, if_match: str | None = None, write_id: str = "") -> StoreObject:
        """Put a whole object; the store checks the condition."""
        try:
            with _told():
                found = self._put(path, data, if_match, write_id)
        except StoreFailure as failure:
            # aiohttp sends again by itself what it had no answer to.
            unsure = failure.kind == "conflict" and write_id and write_id not in self._arrived
            ours = self._ours(path, write_id) if unsure else None
            if ours is None:
                raise
            found = ours
        self._arrived.append(write_id)
        return found

    def _ours(self, path: str, write_id: str) -> StoreObject | None:
        """Give the object if it is what was put with this id."""
        with contextlib.suppress(Exception):
            found = self.head(path)
            return found if found.write_id == write_id else None
        return None

    def names(self, path: str) -> Iterator[str]:
        """The names directly below."""
        with _told():
            yield from list(self._names(path))

    def sizes(self, path: str) -> Iterator[tuple[str, int]]:
        """All objects below."""
        with _told():
            yield from list(self._sizes(path))

    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects, one by one, side by side."""
        with _told():
            for _ in side_by_side(self._delete, paths, at_once=self.concurrency):
                pass

    @abstractmethod
    def _get(self, path: str, wanted: str | None, unless: str) -> tuple[bytes, StoreObject, int | None]:
        """Give the data, the object, and the position of the first byte; None where the data are all of it."""

    @abstractmethod
    def _head(self, path: str) -> StoreObject: ...

    @abstractmethod
    def _put(self, path: str, data: bytes, if_match: str | None, write_id: str) -> StoreObject: ...

    @abstractmethod
    def _delete(self, path: str) -> None:
        """Delete an object; fine if it isn't there."""

    def _names(self, path: str) -> Iterator[str]:
        try:
            entries = self._driver().ls(self._key(path), detail=True)
        except FileNotFoundError as error:
            answer = _answer(error, bodies=True)
            if answer is not None and (answer.kind != "missing" or answer.text):
                raise answer from None
            return
        start = f"{self._key(path)}/"
        for entry in entries:
            name = str(entry["name"]).removeprefix(start)
            if str(entry["name"]).startswith(start) and name.strip("/") and "/" not in name.rstrip("/"):
                folder = entry.get("type") == "directory"
                yield f"{name.rstrip('/')}/" if folder else name

    def _sizes(self, path: str) -> Iterator[tuple[str, int]]:
        start = f"{self._key(path)}/"
        for name, entry in self._driver().find(self._key(path), detail=True).items():
            if name.startswith(start) and entry.get("type") != "directory":
                yield name.removeprefix(start), int(entry.get("size") or 0)


@contextlib.contextmanager
def _told(*, bodies: bool = True) -> Iterator[None]:
    """Turn what a server answered into a StoreFailure; what came to nothing is left as the driver raised it.

    bodies: answers may have one; those to HEAD only describe it, some as a web page.
    """
    try:
        yield
    except (StoreFailure, WkplugError):
        raise
    except Exception as error:
        failure = _answer(error, bodies=bodies)
        if failure is None:
            raise
        raise failure from None  # whose text may hold signed URLs


def _answer(error: BaseException, *, bodies: bool) -> StoreFailure | None:
    """Say what a server answered, or how its answer was lost; None for what else the driver raises."""
    status = _status(error)
    if status is None:
        lost = next((said for one in _causes(error) if (said := _LOST.get(type(one).__name__))), None)
        return None if lost is None else StoreFailure("busy", lost)
    if _no_bucket(error):
        return StoreFailure("missing", ABSENT_BUCKET, status=404)
    headers, code = _headers(error), _code(error)
    page = bodies and not code and headers.get("content-type", "").startswith("text/html")
    return answered(status, code, page=page, wait=headers.get("retry-after", ""))


def _headers(error: BaseException) -> dict[str, str]:
    """Find the headers of the answer that an error is about, by their names in small letters."""
    found: Mapping[str, str] = {}
    for one in _causes(error):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            found = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        elif response is not None:
            found = getattr(response, "headers", None) or {}
    return {name.lower(): value for name, value in found.items()}


def _code(error: BaseException) -> str:
    """Find the server's own word for what went wrong."""
    for one in _causes(error):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            code = str(response.get("Error", {}).get("Code", ""))
            return "" if code.isdigit() else code  # of a bare status
        if getattr(one, "error_code", None):
            code = one.error_code  # type: ignore[attr-defined]  # of Azure's errors
            return str(getattr(code, "value", code))
    return ""


def _causes(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or one.__context__


def _first_byte(said: object) -> int | None:
    """Where a range begins, by its Content-Range; None without one."""
    found = re.fullmatch(r"\s*bytes\s+(\d+)-\d+/\d+\s*", str(said or ""))
    return None if found is None else int(found[1])


def _range_header(start: int, stop: int | None) -> str:
    return f"bytes={start}" if start < 0 else f"bytes={start}-{'' if stop is None else stop - 1}"


def _status(error: BaseException) -> int | None:
    """Find the HTTP status that an error, or what caused it, carries."""
    found: int | None = None
    for one in _causes(error):
        if type(one).__module__ == "aiohttp.http_exceptions":
            continue  # of an answer that broke off; their status is no server's
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            value = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        else:
            value = next(
                (v for n in ("status_code", "status", "code") if (v := getattr(one, n, None)) is not None),
                None,
            )
        if str(value).isdigit() and 100 <= int(str(value)) < 600:
            found = int(str(value))
    return found


def _conflict(error: Exception) -> bool:
    return _status(error) in (409, 412)


class S3Driver(DriverStore):
    """A bucket of S3 through s3fs."""

    def _kind(self) -> Any:
        from s3fs import S3FileSystem  # type: ignore[import-untyped]  # takes half a second to load

        return S3FileSystem

    def _opened(self) -> Any:
        driver = super()._opened()
        driver.retries = 1  # the core tries again, with one policy for all stores
        return driver

    def _options(self) -> Mapping[str, Any]:
        options = self.access.driver
        once = {"retries": {"total_max_attempts": 1}}
        return {**options, "config_kwargs": {**once, **options.get("config_kwargs", {})}}

    def _call(self, method: str, path: str, **how: Any) -> Any:
        return self._driver().call_s3(method, Bucket=self.access.bucket, Key=path, **how)

    def _get(self, path: str, wanted: str | None, unless: str) -> tuple[bytes, StoreObject, int | None]:
        how = {"Range": wanted, "IfNoneMatch": f'"{unless}"' if unless else None}
        how = {name: value for name, value in how.items() if value}
        answer = self._call("get_object", path, **how)
        data = self._wait(_all_of(answer["Body"]))
        first = _first_byte(answer.get("ContentRange"))
        total = len(data) if first is None else int(answer["ContentRange"].rpartition("/")[2])
        return data, self._object(answer, total), first

    def _object(self, answer: Mapping[str, Any], size: int) -> StoreObject:
        return StoreObject(_etag(answer), size, answer.get("Metadata", {}).get(WRITE_ID, ""))

    def _head(self, path: str) -> StoreObject:
        """Look at an object."""
        answer = self._call("head_object", path)
        return self._object(answer, int(answer["ContentLength"]))

    def _put(self, path: str, data: bytes, if_match: str | None, write_id: str) -> StoreObject:
        """Put a whole object; "unsupported" where driver or store know no conditions."""
        how: dict[str, Any] = {"Metadata": {WRITE_ID: write_id}} if write_id else {}
        if if_match is not None:
            how |= {"IfMatch": f'"{if_match}"'} if if_match else {"IfNoneMatch": "*"}
            inputs = self._driver().s3.meta.service_model.operation_model("PutObject").input_shape.members
            if not set(how) <= set(inputs):
                raise StoreFailure("unsupported", "this release of botocore knows no conditional puts")
        try:
            answer = self._call("put_object", path, Body=data, **how)
        except Exception as error:
            status = _status(error)
            if if_match is not None and (
                _conflict(error) or (status == 404 and if_match and _code(error) == "NoSuchKey")
            ):
                raise StoreFailure("conflict", status=status) from None
            if if_match is not None and status == 501:
                raise StoreFailure("unsupported", status=501) from None
            raise
        return StoreObject(_etag(answer), len(data), write_id)

    def _delete(self, path: str) -> None:
        self._call("delete_object", path)


async def _all_of(body: Any) -> bytes:
    async with body:
        data: bytes = await body.read()
        return data


def _etag(answer: Mapping[str, Any]) -> str:
    if "ETag" not in answer:
        raise StoreFailure("broken", STRANGER)
    return str(answer["ETag"]).strip('"')


def _no_bucket(error: BaseException) -> bool:
    said = " ".join(map(str, _causes(error)))
    return any(sign in said for sign in ("NoSuchBucket", "bucket does not exist", "ContainerNotFound"))


class _Body(io.BytesIO):
    """What is sent, as aiohttp wants large bodies; it closes what it has sent, and a retry sends it again."""

    def close(self) -> None:
        """Stay open."""


class GoogleDriver(DriverStore):
    """A bucket of Google's, or of an emulator, through gcsfs. Versions are generations."""

    def _kind(self) -> Any:
        import logging  # late: it takes longer than opening a bucket, and few come here

        from gcsfs import GCSFileSystem  # type: ignore[import-untyped]  # takes a second to load

        class AskingOnce(GCSFileSystem):  # type: ignore[misc]  # of no known type
            """The driver without tries of its own; what it makes of refusals doesn't say what was refused."""

            async def _request(
                self, method: str, path: str, *args: str, headers: Any = None, data: Any = None, **how: Any
            ) -> tuple[int, Mapping[str, str], Any, bytes]:
                await self._set_session()
                if hasattr(data, "seek"):
                    data.seek(0)
                async with self.session.request(
                    method=method, url=self._format_path(path, args), data=data, timeout=self.requests_timeout,
                    json=how.pop("json", None), headers=self._get_headers(headers), params=self._get_params(how),
                ) as answer:  # fmt: skip
                    found = await answer.read()
                    if answer.status >= 400:
                        raise _google_failure(answer.status, answer.headers, found.decode("utf-8", "replace"))
                    return answer.status, answer.headers, answer.request_info, found

        # What it logs of failures is raised, too; without any handler it would stand on the screen.
        logging.getLogger("gcsfs").addHandler(logging.NullHandler())
        return AskingOnce

    @property
    def _quoted(self) -> str:
        return quote(self.access.bucket, safe="")

    def _url(self, path: str) -> str:
        return f"{self._driver().base}b/{self._quoted}/o/{quote(path, safe='')}"

    def _get(self, path: str, wanted: str | None, unless: str) -> tuple[bytes, StoreObject, int | None]:
        del unless  # what could be compared is the ETag, which says too little
        headers, data = self._driver().call(
            "GET", self._url(path), alt="media", headers={"Range": wanted} if wanted else {}
        )
        first = _first_byte(headers.get("Content-Range"))
        total = len(data) if first is None else int(headers["Content-Range"].rpartition("/")[2])
        generation = headers.get("x-goog-generation")
        if generation is None:  # not every stand-in tells
            return data, self._head(path), first
        return data, StoreObject(generation, total, headers.get(f"x-goog-meta-{WRITE_ID}", "")), first

    def _head(self, path: str) -> StoreObject:
        """Look at an object."""
        return _google_object(self._driver().call("GET", self._url(path), json_out=True))

    def _put(self, path: str, data: bytes, if_match: str | None, write_id: str) -> StoreObject:
        """Put a whole object, in one request; the store compares the generation."""
        if if_match and not if_match.isdigit():  # Google refuses what can't be the version of any object
            raise StoreFailure("conflict", status=412)
        facts: dict[str, Any] = {"name": path} | ({"metadata": {WRITE_ID: write_id}} if write_id else {})
        mark = "wkplug-boundary-of-a-single-put"
        body = (
            f"--{mark}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(facts)}\r\n"
            f"--{mark}\r\nContent-Type: application/octet-stream\r\n\r\n"
        ).encode() + data + f"\r\n--{mark}--".encode()  # fmt: skip

        driver = self._driver()
        try:
            answer = driver.call(
                "POST",
                f"{driver.base.removesuffix('storage/v1/')}upload/storage/v1/b/{self._quoted}/o",
                uploadType="multipart",
                headers={"Content-Type": f'multipart/related; boundary="{mark}"'},
                data=_Body(body),
                json_out=True,
                **({} if if_match is None else {"ifGenerationMatch": if_match or "0"}),
            )
        except Exception as error:
            if isinstance(error, StoreFailure) and error.kind == "missing":  # nothing else can be, of a put
                raise StoreFailure("missing", ABSENT_BUCKET, status=404) from None
            raise
        return _google_object(answer)

    def _names(self, path: str) -> Iterator[str]:
        """The names directly below, of all pages."""
        start = f"{path}/" if path else ""
        for page in self._pages(prefix=start, delimiter="/"):
            for name in (*page.get("prefixes", ()), *(each["name"] for each in page.get("items", ()))):
                if name != start:
                    yield name.removeprefix(start)

    def _sizes(self, path: str) -> Iterator[tuple[str, int]]:
        """All objects below."""
        start = f"{path}/" if path else ""
        for page in self._pages(prefix=start):
            for each in page.get("items", ()):
                if not each["name"].endswith("/"):
                    yield each["name"].removeprefix(start), int(each["size"])

    def _pages(self, **how: str) -> Iterator[Mapping[str, Any]]:
        """List, page by page; the driver's own listing asks for kinds of buckets that emulators don't know."""
        driver = self._driver()
        url = f"{driver.base}b/{self._quoted}/o"
        while True:
            try:
                page = driver.call("GET", url, json_out=True, **how)
            except StoreFailure as failure:
                if failure.kind == "missing":
                    raise StoreFailure("missing", ABSENT_BUCKET, status=404) from None
                raise
            yield page
            if not page.get("nextPageToken"):
                return
            how["pageToken"] = page["nextPageToken"]

    def _delete(self, path: str) -> None:
        try:
            self._driver().call("DELETE", self._url(path))
        except StoreFailure as failure:
            if failure.kind != "missing":
                raise


def _google_failure(status: int, headers: Mapping[str, str], said: str) -> StoreFailure:
    """Say what Google's JSON interface answered."""
    code = code_of(said)
    if status == 404 and "bucket does not exist" in said:
        code = "NoSuchBucket"
    return answered(status, code, page=is_page(said), wait=headers.get("Retry-After", ""))


def _google_object(facts: Mapping[str, Any]) -> StoreObject:
    return StoreObject(
        str(facts["generation"]), int(facts["size"]), (facts.get("metadata") or {}).get(WRITE_ID, "")
    )


_ONCE = {"retry_total": 0}
"""For Azure's client, which would try again for a minute."""


class AzureDriver(DriverStore):
    """A container of Azure's, through adlfs and Azure's own client."""

    reads_ends: ClassVar[bool] = False

    def _kind(self) -> Any:
        from adlfs import AzureBlobFileSystem  # type: ignore[import-untyped]  # takes a second to load

        return AzureBlobFileSystem

    def _blob(self, path: str) -> Any:
        return self._driver().service_client.get_blob_client(self.access.bucket, path)

    def _get(self, path: str, wanted: str | None, unless: str) -> tuple[bytes, StoreObject, int | None]:
        from azure.core import MatchConditions

        how: dict[str, Any] = (
            {"etag": f'"{unless}"', "match_condition": MatchConditions.IfModified} if unless else {}
        )
        if wanted is not None:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            how["offset"] = int(first)
            if last:
                how["length"] = int(last) - int(first) + 1

        async def download() -> tuple[Any, bytes]:
            async with self._blob(path) as blob:
                answer = await blob.download_blob(**how, **_ONCE)
                return answer, await answer.readall()

        answer, data = self._wait(download())
        properties = answer.properties
        return (
            data,
            StoreObject(_plain(properties.etag), _total(properties, data), _written(properties)),
            how.get("offset", 0),  # Azure's client says itself what it has asked for
        )

    def _head(self, path: str) -> StoreObject:
        """Look at an object."""

        async def look() -> Any:
            async with self._blob(path) as blob:
                return await blob.get_blob_properties(**_ONCE)

        found = self._wait(look())
        if (found.metadata or {}).get("hdi_isfolder") == "true":
            raise StoreFailure("missing")
        return StoreObject(_plain(found.etag), int(found.size), _written(found))

    def _put(self, path: str, data: bytes, if_match: str | None, write_id: str) -> StoreObject:
        """Put a whole object; the store checks the condition."""
        from azure.core import MatchConditions

        how: dict[str, Any] = {"overwrite": if_match != ""}
        if if_match:
            how |= {"etag": f'"{if_match}"', "match_condition": MatchConditions.IfNotModified}
        if write_id:
            how["metadata"] = {WRITE_ID: write_id}

        async def put() -> Any:
            async with self._blob(path) as blob:
                return await blob.upload_blob(data, **how, **_ONCE)

        try:
            answer = self._wait(put())
        except Exception as error:
            if if_match is not None and _conflict(error):
                raise StoreFailure("conflict", status=_status(error)) from None
            raise
        return StoreObject(_plain(answer["etag"]), len(data), write_id)

    def _names(self, path: str) -> Iterator[str]:
        """The names directly below."""
        found = set(self._listed(path, delimiter="/"))
        yield from (name for name in found if f"{name}/" not in found)

    def _sizes(self, path: str) -> Iterator[tuple[str, int]]:
        """All objects below."""
        yield from self._listed(path).items()

    def _listed(self, path: str, **how: str) -> dict[str, int]:
        """The names below with their sizes; folders have a slash, and those that are objects are left out."""
        start = f"{path}/" if path else ""

        async def walk() -> list[Any]:
            async with self._driver().service_client.get_container_client(self.access.bucket) as container:
                look = container.walk_blobs if how else container.list_blobs
                return [
                    each async for each in look(name_starts_with=start, include=["metadata"], **how, **_ONCE)
                ]

        return {
            name: int(each.get("size") or 0)
            for each in self._wait(walk())
            if (name := each["name"].removeprefix(start))
            and (each.get("metadata") or {}).get("hdi_isfolder") != "true"
        }

    def _delete(self, path: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        async def delete() -> None:
            async with self._blob(path) as blob:
                await blob.delete_blob(**_ONCE)

        with contextlib.suppress(ResourceNotFoundError):
            self._wait(delete())


def _plain(etag: str) -> str:
    return etag.strip('"')


def _written(properties: Any) -> str:
    return str((properties.metadata or {}).get(WRITE_ID, ""))


def _total(properties: Any, data: bytes) -> int:
    length = str(getattr(properties, "content_range", None) or "").rpartition("/")[2]
    return int(length) if length.isdigit() else len(data)
