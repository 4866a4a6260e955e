"""An S3 and HTTP server in memory, with a fixed latency, that counts: requests, bytes, how many at once, round trips.

In a test it runs in a thread (`CountingServer`), for benchmarks as a process of its own, so that its work is no one's:

    python -m tests.servers.counting --port 8123 --latency 20

Then /__counting__ is the way to its figures: GET gives them, DELETE forgets them, PUT ?latency=MS&bandwidth=MB changes
the latency, and how many megabytes a connection carries in a second (0: as many as it can). A request is under way from
its first line to its answer, with the time that its body takes.

Every bucket is there. It keeps what S3 promises of conditional puts (If-Match, If-None-Match), ranges, listings,
deletions of many, uploads in parts and users' metadata, and believes any credentials.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import re
import subprocess
import sys
import time
import uuid
from dataclasses import asdict, dataclass, field
from email.utils import formatdate
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote
from urllib.request import Request as Asking
from urllib.request import urlopen
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tests.servers.messages import Answer, Message, Service, read_request

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["CountingProcess", "CountingServer", "Figures", "Kept", "Request", "figures_of"]

_ROOT = Path(__file__).resolve().parent.parent.parent
CONTROL = "/__counting__"
_MOST_KEYS = 1000
_METADATA = 10_000
_PATIENCE = 10.0


@dataclass(frozen=True)
class Request:
    """One request as it was answered; times in seconds of one clock."""

    method: str
    path: str
    query: str
    range: str
    status: int
    received: int
    sent: int
    start: float
    end: float

    def __str__(self) -> str:
        query = f"?{self.query}" if self.query else ""
        return f"{self.method} {self.path}{query} {self.range} -> {self.status}, {self.sent} bytes".replace(
            "  ", " "
        )


@dataclass(frozen=True)
class Figures:
    """What a stretch of requests comes to.

    in_flight: the most at one time. round_trips: the longest chain of requests of which each began when the one before
    had ended; that many latencies nobody can avoid who asks in this way.
    """

    count: int
    sent: int
    received: int
    in_flight: int
    round_trips: int


def figures_of(requests: Iterable[Request]) -> Figures:
    """Add up requests."""
    found = sorted(requests, key=lambda request: request.end)
    moments = sorted([(each.start, 1) for each in found] + [(each.end, -1) for each in found])
    now = most = trips = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    last = float("-inf")
    for each in found:
        if each.start >= last:
            trips, last = trips + 1, each.end
    return Figures(
        count=len(found),
        sent=sum(each.sent for each in found),
        received=sum(each.received for each in found),
        in_flight=most,
        round_trips=trips,
    )


@dataclass(frozen=True)
class Kept:
    """An object. `generation` grows with every put of the server."""

    data: bytes
    generation: int
    metadata: dict[str, str] = field(default_factory=dict)
    kind: str = "application/octet-stream"
    encoding: str = ""
    modified: float = field(default_factory=time.time)

    @cached_property
    def etag(self) -> str:
        """As S3 makes it: equal bytes put twice have the same. No MD5, which takes as long as receiving the bytes."""
        return _etag(self.data)

    def headers(self) -> dict[str, str]:
        """What GET and HEAD say of it."""
        found = {
            "ETag": self.etag,
            "Last-Modified": formatdate(self.modified, usegmt=True),
            "Content-Type": self.kind,
            "Accept-Ranges": "bytes",
        }
        if self.encoding:
            found["Content-Encoding"] = self.encoding
        return {**found, **{f"x-amz-meta-{name}": value for name, value in self.metadata.items()}}


def _etag(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def _error(status: int, code: str, text: str = "", headers: dict[str, str] | None = None) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{escape(text or code)}</Message></Error>"
    return Answer(status, body.encode(), {"Content-Type": "application/xml", **(headers or {})})


def _xml(name: str, inner: str) -> Answer:
    space = "http://s3.amazonaws.com/doc/2006-03-01/"
    body = f'<?xml version="1.0" encoding="UTF-8"?><{name} xmlns="{space}">{inner}</{name}>'
    return Answer(200, body.encode(), {"Content-Type": "application/xml"})


def _elements(body: bytes, name: str) -> list[str]:
    found = ElementTree.fromstring(body).iter()
    return [each.text or "" for each in found if each.tag.rpartition("}")[2] == name]


def _unframed(body: bytes) -> bytes:
    """Take the chunks with signatures or checksums apart in which Amazon's clients may send bodies."""
    parts = []
    while body:
        head, _, body = body.partition(b"\r\n")
        length = int(head.partition(b";")[0], 16)
        if not length:
            break
        parts.append(body[:length])
        body = body[length + 2 :]
    return b"".join(parts)


class CountingServer(Service):
    """The server in a thread; `requests` are those so far, `buckets` what it holds."""

    def __init__(self, *, latency: float = 0.0, bandwidth: float = 0.0, port: int = 0) -> None:
        super().__init__(port)
        self.latency = latency
        """Seconds that every answer takes at least."""
        self.bandwidth = bandwidth
        """Bytes per second of one connection; 0 for as many as it can carry."""
        self.uploads_together = 0
        """No upload is answered until so many are under way, or patience ends; then it is 0 again. Not of metadata."""
        self._uploading = 0
        self.requests: list[Request] = []
        self.buckets: dict[str, dict[str, Kept]] = {}
        self._uploads: dict[str, tuple[Message, dict[int, bytes]]] = {}
        self._generation = int(time.time() * 1e6)

    @property
    def figures(self) -> Figures:
        """What the requests so far come to."""
        return figures_of(self.requests)

    def clear(self) -> None:
        """Forget the requests so far."""
        self.requests.clear()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        while (request := await read_request(reader, writer)) is not None:
            counted = not request.path.startswith(CONTROL)
            if counted:
                await self._carried(len(request.body), request.arrived)
                await asyncio.sleep(self.latency)
                if request.method == "PUT" and len(request.body) > _METADATA:
                    await self._met()
            answer = self.handle(request) if counted else self._control(request)
            if request.method == "HEAD":
                answer.length, answer.body = len(answer.body), b""
            if counted:  # noted before it is sent: whoever has the answer finds it counted
                await self._carried(len(answer.body), time.perf_counter())
                self._note(request, answer)
            writer.write(answer.message().encoded())
            await writer.drain()
            if (request.header("Connection") or "").lower() == "close":
                return

    async def _carried(self, size: int, since: float) -> None:
        """Wait until so many bytes have had the time that they take."""
        if self.bandwidth:
            await asyncio.sleep(since + size / self.bandwidth - time.perf_counter())

    async def _met(self) -> None:
        self._uploading += 1
        if self._uploading >= self.uploads_together:
            self.uploads_together = 0
        patience = time.perf_counter() + _PATIENCE
        while self.uploads_together and time.perf_counter() < patience:
            await asyncio.sleep(0.001)
        self._uploading -= 1

    def _note(self, request: Message, answer: Answer) -> None:
        self.requests.append(
            Request(
                method=request.method,
                path=request.path,
                query=request.target.partition("?")[2],
                range=(request.header("Range") or "").removeprefix("bytes="),
                status=answer.status,
                received=len(request.body),
                sent=len(answer.body),
                start=request.arrived,
                end=time.perf_counter(),
            )
        )

    def _control(self, request: Message) -> Answer:
        if request.method == "DELETE":
            self.clear()
        if "latency" in request.query:
            self.latency = float(request.query["latency"]) / 1000
        if "bandwidth" in request.query:
            self.bandwidth = float(request.query["bandwidth"]) * 1e6
        found: dict[str, Any] = {"figures": asdict(self.figures)}
        if "requests" in request.query:
            found["requests"] = [asdict(each) for each in self.requests]
        return Answer(200, json.dumps(found).encode(), {"Content-Type": "application/json"})

    # --- what it holds --------------------------------------------------------------------------------------

    def bucket(self, name: str) -> dict[str, Kept]:
        """The objects of a bucket; every bucket is there."""
        return self.buckets.setdefault(name, {})

    def keep(self, bucket: str, key: str, data: bytes, **facts: Any) -> Kept:
        """Put an object."""
        self._generation += 1
        kept = Kept(data, self._generation, **facts)
        self.bucket(bucket)[key] = kept
        return kept

    def handle(self, request: Message) -> Answer:
        """Answer a request."""
        bucket, _, key = request.path[1:].partition("/")
        if not bucket:
            return _xml("ListAllMyBucketsResult", "<Buckets></Buckets>")
        if key:
            return self._object(request, bucket, key)
        if request.method == "POST" and "delete" in request.query:
            keys = _elements(request.body, "Key")
            for each in keys:
                self.bucket(bucket).pop(each, None)
            quiet = _elements(request.body, "Quiet") == ["true"]
            told = (f"<Deleted><Key>{escape(each)}</Key></Deleted>" for each in keys)
            return _xml("DeleteResult", "" if quiet else "".join(told))
        if request.method == "GET":
            if "location" in request.query:
                return _xml("LocationConstraint", "")
            return self._listed(request.query, bucket)
        if request.method in ("PUT", "HEAD"):
            self.bucket(bucket)
            return Answer(headers={"x-amz-bucket-region": "us-east-1"})
        return _error(501, "NotImplemented", request.first)

    def _object(self, request: Message, bucket: str, key: str) -> Answer:
        if request.method in ("GET", "HEAD"):
            return self._read(request, self.bucket(bucket).get(key))
        if request.method == "DELETE":
            if "uploadId" in request.query:
                self._uploads.pop(request.query["uploadId"], None)
            else:
                self.bucket(bucket).pop(key, None)
            return Answer(204)
        if request.query.get("uploadId", "-") not in (*self._uploads, "-"):
            return _error(404, "NoSuchUpload")
        if request.method == "PUT" and "partNumber" in request.query:
            body = self._body(request)
            self._uploads[request.query["uploadId"]][1][int(request.query["partNumber"])] = body
            return Answer(headers={"ETag": _etag(body)})
        if request.method == "PUT":
            source = request.header("x-amz-copy-source")
            if source is not None:
                return self._copied(unquote(source).lstrip("/"), bucket, key)
            return self._put(request, request, bucket, key, self._body(request))
        if request.method == "POST" and "uploads" in request.query:
            upload = uuid.uuid4().hex
            self._uploads[upload] = (request, {})
            return _xml(
                "InitiateMultipartUploadResult",
                f"<Bucket>{bucket}</Bucket><Key>{escape(key)}</Key><UploadId>{upload}</UploadId>",
            )
        if request.method == "POST" and "uploadId" in request.query:
            began, parts = self._uploads[request.query["uploadId"]]
            numbers = [int(text) for text in _elements(request.body, "PartNumber")]
            answer = self._put(request, began, bucket, key, b"".join(parts[number] for number in numbers))
            if answer.status != 200:
                return answer
            del self._uploads[request.query["uploadId"]]
            inner = f"<Key>{escape(key)}</Key><ETag>{escape(answer.headers['ETag'])}</ETag>"
            return _xml("CompleteMultipartUploadResult", inner)
        return _error(501, "NotImplemented", request.first)

    @staticmethod
    def _body(request: Message) -> bytes:
        framed = (request.header("x-amz-content-sha256") or "").startswith("STREAMING-")
        return _unframed(request.body) if framed else request.body

    def _put(self, request: Message, described: Message, bucket: str, key: str, data: bytes) -> Answer:
        """Put what `described` has the headers of, if the conditions of `request` hold."""
        old = self.bucket(bucket).get(key)
        expected, unexpected = request.header("If-Match"), request.header("If-None-Match")
        if expected is not None and old is None:
            return _error(404, "NoSuchKey")
        if expected is not None and old is not None and expected.strip('"') != old.etag.strip('"'):
            return _error(412, "PreconditionFailed")
        if unexpected is not None and old is not None:
            return _error(412, "PreconditionFailed")
        names = [name.lower() for name, _ in described.headers]
        marked = [name.removeprefix("x-amz-meta-") for name in names if name.startswith("x-amz-meta-")]
        encodings = (described.header("Content-Encoding") or "").replace("aws-chunked", "").strip(", ")
        kept = self.keep(
            bucket,
            key,
            data,
            metadata={name: described.header(f"x-amz-meta-{name}") or "" for name in marked},
            kind=described.header("Content-Type") or "application/octet-stream",
            encoding=encodings,
        )
        return Answer(headers={"ETag": kept.etag})

    def _copied(self, source: str, bucket: str, key: str) -> Answer:
        origin, _, name = source.partition("/")
        old = self.bucket(origin).get(name)
        if old is None:
            return _error(404, "NoSuchKey")
        kept = self.keep(bucket, key, old.data, metadata=old.metadata, kind=old.kind, encoding=old.encoding)
        return _xml("CopyObjectResult", f"<ETag>{escape(kept.etag)}</ETag>")

    def _read(self, request: Message, kept: Kept | None) -> Answer:
        if kept is None:
            return _error(404, "NoSuchKey", "The specified key does not exist.")
        expected, known = request.header("If-Match"), request.header("If-None-Match")
        if expected is not None and expected.strip('"') != kept.etag.strip('"'):
            return _error(412, "PreconditionFailed")
        if known is not None and kept.etag.strip('"') in known:
            return Answer(304, headers={"ETag": kept.etag})
        total = len(kept.data)
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", request.header("Range") or "")
        if found is None or found[0] == "bytes=-":
            return Answer(200, kept.data, kept.headers())
        if found[1]:
            start, stop = int(found[1]), min(total, int(found[2]) + 1 if found[2] else total)
        else:
            start, stop = max(0, total - int(found[2])), total
        if start >= total or stop <= start:
            return _error(416, "InvalidRange", headers={"Content-Range": f"bytes */{total}"})
        said = {"Content-Range": f"bytes {start}-{stop - 1}/{total}"}
        return Answer(206, kept.data[start:stop], {**kept.headers(), **said})

    def names(self, bucket: str, prefix: str, delimiter: str, after: str) -> tuple[list[str], bool]:
        """List the keys and folders that come after a name, folders with the delimiter; and whether there are more."""
        found: list[str] = []
        for key in sorted(self.bucket(bucket)):
            if not key.startswith(prefix):
                continue
            folder, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            name = prefix + folder + cut if cut else key
            if name > after and name not in found[-1:] and not (cut and after.startswith(name)):
                if len(found) == _MOST_KEYS:
                    return found, True
                found.append(name)
        return found, False

    def _listed(self, query: dict[str, str], bucket: str) -> Answer:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = max(query.get(name, "") for name in ("continuation-token", "start-after", "marker"))
        found, more = self.names(bucket, prefix, delimiter, after)
        spell = quote if query.get("encoding-type") == "url" else escape
        inner = [
            f"<Name>{bucket}</Name><Prefix>{spell(prefix)}</Prefix><MaxKeys>{_MOST_KEYS}</MaxKeys>",
            f"<KeyCount>{len(found)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>",
        ]
        if "encoding-type" in query:
            inner.append("<EncodingType>url</EncodingType>")
        if more:
            token = "NextContinuationToken" if "list-type" in query else "NextMarker"
            inner.append(f"<{token}>{escape(found[-1])}</{token}>")
        for name in found:
            if delimiter and name.endswith(delimiter) and name not in self.bucket(bucket):
                inner.append(f"<CommonPrefixes><Prefix>{spell(name)}</Prefix></CommonPrefixes>")
                continue
            kept = self.bucket(bucket)[name]
            when = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(kept.modified))
            inner.append(
                f"<Contents><Key>{spell(name)}</Key><LastModified>{when}</LastModified>"
                f"<ETag>{escape(kept.etag)}</ETag><Size>{len(kept.data)}</Size>"
                "<StorageClass>STANDARD</StorageClass></Contents>"
            )
        return _xml("ListBucketResult", "".join(inner))


class CountingProcess:
    """The server as a process of its own: use as a context manager."""

    def __init__(self, *, latency: float = 0.0) -> None:
        self._latency = latency
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> CountingProcess:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.counting", "--latency", str(self._latency * 1000)],
            stdout=subprocess.PIPE,
            stdin=subprocess.PIPE,
            cwd=_ROOT,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().decode().strip()
        if not self.url:
            raise RuntimeError("The counting server didn't start.")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.communicate()  # its input ends, and so does it

    def _ask(self, method: str, query: str = "") -> dict[str, Any]:
        with urlopen(Asking(f"{self.url}{CONTROL}?{query}", method=method), timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    @property
    def requests(self) -> list[Request]:
        """Those so far."""
        return [Request(**each) for each in self._ask("GET", "requests")["requests"]]

    @property
    def figures(self) -> Figures:
        """What the requests so far come to."""
        return Figures(**self._ask("GET")["figures"])

    def clear(self) -> None:
        """Forget the requests so far."""
        self._ask("DELETE")

    @property
    def latency(self) -> float:
        """Seconds that every answer takes at least."""
        return self._latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._latency = seconds
        self._ask("PUT", f"latency={seconds * 1000}")


def main() -> None:
    """Serve until the input ends."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=20, help="milliseconds, 20 by default")
    parser.add_argument(
        "--bandwidth", type=float, default=0, help="megabytes a second per connection, 0: any"
    )
    options = parser.parse_args()
    with CountingServer(
        latency=options.latency / 1000, bandwidth=options.bandwidth * 1e6, port=options.port
    ) as server:
        print(server.url, flush=True)  # noqa: T201 - read by who starts it
        sys.stdin.read()


if __name__ == "__main__":
    main()
