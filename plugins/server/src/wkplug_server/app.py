"""The application: which path is answered by what. Voxels are read on threads, never on the loop.

| path | what |
|---|---|
| / and /datasets/ID | pages for people |
| /v/ID/ | the viewer |
| /api/..., /data/... | as WEBKNOSSOS' clients ask; with or without a version |
| /data/zarr/ID/..., /data/zarr3_experimental/ID/... | Zarr v2 and v3 |
| /precomputed/ID/LAYER/... | Neuroglancer's precomputed |
"""

from __future__ import annotations

import asyncio
import json
import re
from abc import ABC, abstractmethod
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from wkplug.errors import InvalidArgumentError, MissingError, WkplugError
from wkplug_server import facts, pages, precomputed, viewer, zarr_streams
from wkplug_server.access import Access, error_body, status_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from wkplug.abc import Location
    from wkplug_server.catalogue import Catalogue, Shared

__all__ = ["Routes", "SharingRoutes", "application", "base_url", "dataset_id"]

_HEARTBEAT = 15.0
_MOST_BYTES = 512 << 20
"""What one answer with raw voxels may have."""
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_IMMUTABLE = {"cache-control": "public, max-age=31536000, immutable"}


def application(routes: Routes, *, token: str | None = None) -> ASGIApp:
    """Everything that a server answers. token: what whoever asks has to know; None where the routes decide that."""
    app = Starlette(
        routes=routes.routes(), exception_handlers={WkplugError: _told, HTTPException: _unanswered}
    )
    return Access(app, token)


async def _told(_: Request, error: Exception) -> Response:
    known = error if isinstance(error, WkplugError) else WkplugError(str(error))
    return Response(error_body(known), status_of(known), media_type="application/json")


async def _unanswered(request: Request, error: Exception) -> Response:
    """What no path answers, as WEBKNOSSOS' clients read it."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.url.path
    text = (
        f"There is nothing at {path} here."
        if status == 404
        else f"{request.method} does nothing at {path} here."
    )
    return Response(error_body(WkplugError(text)), status, media_type="application/json")


def _always(answer: Response) -> Callable[[Request], Awaitable[Response]]:
    """The same answer to everybody."""

    async def give(_: Request) -> Response:
        return answer

    return give


class Routes(ABC):
    """The answers that all servers give: pages, the viewer, and voxels."""

    @abstractmethod
    def shared(self, request: Request) -> Shared:
        """The dataset that a path names, if whoever asks may read it; DatasetNotFoundError."""

    @abstractmethod
    def all_shared(self, request: Request) -> Iterable[Shared]:
        """The datasets that whoever asks may read."""

    def routes(self) -> list[Route]:
        """All paths."""
        get = [
            ("/", self._start_page),
            ("/datasets/{id}", self._dataset_page),
            ("/datasets/{id}/view", self._dataset_page),
            ("/thumbnails/{id}/{layer}.png", self._thumbnail),
            ("/v/{id}/{name:path}", self._client),
            ("/events/{id}", self._events),
            ("/favicon.ico", _always(Response(status_code=204))),
            ("/api/buildinfo", _always(JSONResponse(facts.BUILD))),
            ("/api/health", _always(Response("Ok", media_type="text/plain"))),
            ("/data/health", _always(Response("Ok", media_type="text/plain"))),
            ("/data/zarr/{id}{path:path}", self._zarr2),
            ("/data/zarr3_experimental/{id}{path:path}", self._zarr3),
            ("/data/datasets/{id}/layers/{layer}/data", self._cuboid),
            ("/data/datasets/{id}/layers/{layer}/thumbnail.jpg", self._thumbnail),
            ("/data/datasets/{id}/proxy/{path:path}", self._proxy),
            ("/precomputed/{id}/{layer}/info", self._info),
            ("/precomputed/{id}/{layer}/{key}/{chunk}", self._chunk),
        ]
        post = [("/state/{id}", self._state), ("/action/{id}", self._action)]
        return [Route(path, answer, methods=["GET", "HEAD"]) for path, answer in get] + [
            Route(path, answer, methods=["POST"]) for path, answer in post
        ]

    # --- pages ---------------------------------------------------------------------------------------------

    async def _start_page(self, request: Request) -> Response:
        return HTMLResponse(
            await run_in_threadpool(pages.start_page, list(self.all_shared(request)), base_url(request))
        )

    async def _dataset_page(self, request: Request) -> Response:
        return HTMLResponse(
            await run_in_threadpool(pages.dataset_page, self.shared(request), base_url(request))
        )

    async def _thumbnail(self, request: Request) -> Response:
        levels = self.shared(request).levels(request.path_params["layer"])
        png = not request.url.path.endswith(".jpg")
        data = await run_in_threadpool(pages.thumbnail, levels, "PNG" if png else "JPEG")
        return Response(data, media_type="image/png" if png else "image/jpeg")

    # --- the viewer ----------------------------------------------------------------------------------------

    async def _client(self, request: Request) -> Response:
        self.shared(request)
        path, kind = viewer.client_file(request.path_params["name"])
        return FileResponse(path, media_type=kind, headers={} if kind.startswith("text/html") else _IMMUTABLE)

    async def _events(self, request: Request) -> Response:
        chosen = request.path_params["id"].partition("+")[2]
        layers = tuple(unquote(name) for name in chosen.split(",") if name)
        state = await run_in_threadpool(
            viewer.state_of, self.shared(request), base_url(request), layers=layers
        )
        # Whoever comes back after a lost connection goes on with what is on the screen.
        is_new = not request.query_params.get("gs")

        async def events() -> AsyncIterator[str]:
            if is_new:
                yield f"data: {json.dumps({'k': 's', 's': state, 'g': '1'})}\n\n"
            while not await request.is_disconnected():
                await asyncio.sleep(_HEARTBEAT)
                yield ": still here\n\n"

        return StreamingResponse(
            events(), media_type="text/event-stream", headers={"cache-control": "no-cache"}
        )

    async def _state(self, request: Request) -> Response:
        """The viewer tells what it shows, and wants to hear under which number that is known."""
        self.shared(request)
        told = await request.json()
        return JSONResponse({"g": f"{told.get('c')}/{told.get('g')}"})

    async def _action(self, request: Request) -> Response:
        self.shared(request)
        return Response()

    # --- voxels --------------------------------------------------------------------------------------------

    async def _zarr2(self, request: Request) -> Response:
        return await self._zarr(request, 2)

    async def _zarr3(self, request: Request) -> Response:
        return await self._zarr(request, 3)

    async def _zarr(self, request: Request, version: int) -> Response:
        shared, path = self.shared(request), request.path_params["path"]
        data = await run_in_threadpool(zarr_streams.voxels, shared, path)
        if data is not None:
            return _bytes(request, data)
        found = zarr_streams.document(shared, path, version=version)
        if isinstance(found, list):
            return HTMLResponse(pages.listing(found))
        return _bytes(request, json.dumps(found).encode(), "application/json")

    async def _info(self, request: Request) -> Response:
        levels = self.shared(request).levels(request.path_params["layer"])
        return JSONResponse(precomputed.info(levels))

    async def _chunk(self, request: Request) -> Response:
        levels = self.shared(request).levels(request.path_params["layer"])
        key, name = request.path_params["key"], request.path_params["chunk"]
        return _bytes(request, await run_in_threadpool(precomputed.chunk, levels, key, name))

    async def _cuboid(self, request: Request) -> Response:
        levels = self.shared(request).levels(request.path_params["layer"])
        query = request.query_params
        numbers = _numbers(query, ("x", "y", "z", "width", "height", "depth"))
        level = levels.get(query.get("mag", "1"))
        begin = tuple(n // f for n, f in zip(numbers[:3], level.mag.to_tuple(), strict=True))
        size = (numbers[3], numbers[4], numbers[5])
        _check_size(size, levels.num_channels * levels.dtype.itemsize)
        data = await run_in_threadpool(levels.read, level, (begin[0], begin[1], begin[2]), size)
        headers = {"missing-buckets": "[]"}
        body = np.asarray(data).tobytes(order="F")
        return Response(body, media_type="application/octet-stream", headers=headers)

    async def _proxy(self, request: Request) -> Response:
        shared, path = self.shared(request), request.path_params["path"]
        if path.strip("/") == "datasource-properties.json":
            found = facts.properties_json(shared, None, facts.proxied_mag_entry)
            return _bytes(request, json.dumps(found).encode(), "application/json")
        parts = path.split("/")
        place = None
        if len(parts) > 4 and parts[0] == "layers" and not _leads_out(parts):
            if parts[2] == "mags":
                place = shared.place(parts[1], parts[3]).child(*parts[4:])
            elif parts[2] == "attachments":
                place = shared.attachment(parts[1], parts[3], parts[4])
                place = place.child(*parts[5:]) if len(parts) > 5 else place
        if place is None:
            raise MissingError(f"There is no file {path!r} here.")
        return await run_in_threadpool(_part_of_file, request, place)


class SharingRoutes(Routes):
    """The answers over one catalogue, which is what WEBKNOSSOS' clients see of a server that only shares."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def shared(self, request: Request) -> Shared:
        """The dataset that a path names."""
        return self._catalogue[dataset_id(request)]

    def all_shared(self, request: Request) -> Iterable[Shared]:
        """All of them: whoever has the token may read them."""
        del request
        return self._catalogue

    def routes(self) -> list[Route]:
        """All paths."""
        own = [
            ("/api/user", _always(JSONResponse(facts.USER))),
            ("/api/datastores", self._datastores),
            ("/api/teams", _always(JSONResponse([facts.TEAM]))),
            ("/api/folders/root", _always(JSONResponse(facts.FOLDER))),
            ("/api/folders/tree", _always(JSONResponse([facts.FOLDER_IN_TREE]))),
            ("/api/folders/{id}", _always(JSONResponse(facts.FOLDER))),
            ("/api/datasets", self._list),
            ("/api/datasets/disambiguate/{organization}/{name}/toId", self._disambiguate),
            ("/api/datasets/{id}", self._dataset),
        ]
        return super().routes() + [Route(path, answer, methods=["GET", "HEAD"]) for path, answer in own]

    async def _datastores(self, request: Request) -> Response:
        return JSONResponse([facts.datastore_json(base_url(request))])

    async def _list(self, request: Request) -> Response:
        words = request.query_params.get("searchQuery", "").lower().split()
        found = [shared for shared in self._catalogue if all(word in shared.name.lower() for word in words)]
        return JSONResponse([facts.compact_json(shared) for shared in found])

    async def _dataset(self, request: Request) -> Response:
        return JSONResponse(facts.dataset_json(self.shared(request), base_url(request)))

    async def _disambiguate(self, request: Request) -> Response:
        name = request.path_params["name"]
        for shared in self._catalogue.named(name):
            answer = {
                "id": shared.id,
                "name": name,
                "organization": facts.ORGANIZATION,
                "directoryName": name,
            }
            return JSONResponse(answer)
        raise MissingError(f"There is no dataset {name!r} here.")


def dataset_id(request: Request) -> str:
    """The id in a path: of /datasets/NAME-ID/view, of /v/ID+LAYER,LAYER/ and of others."""
    return str(request.path_params["id"].partition("+")[0].rpartition("-")[2])


def _leads_out(parts: list[str]) -> bool:
    return any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts)


def _part_of_file(request: Request, place: Location) -> Response:
    """A stored file, or the part of it that is asked for."""
    etag = f'"{blake2b((place.version() or "").encode(), digest_size=12).hexdigest()}"'
    return _answer(request, place.size(), place.read, etag, "application/octet-stream")


def _bytes(request: Request, data: bytes, kind: str = "application/octet-stream") -> Response:
    """Voxels or JSON that were made just now, or the part of them that is asked for."""
    etag = f'"{blake2b(data, digest_size=12).hexdigest()}"'
    return _answer(request, len(data), lambda start, stop: data[start:stop], etag, kind)


def _answer(request: Request, size: int, read: Callable[[int, int], bytes], etag: str, kind: str) -> Response:
    headers = {"accept-ranges": "bytes", "etag": etag}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    wanted = _wanted(request.headers.get("range"), size)
    start, stop = wanted or (0, size)
    if wanted is not None and start >= stop:
        return Response(status_code=416, headers={**headers, "content-range": f"bytes */{size}"})
    if wanted is not None:
        headers["content-range"] = f"bytes {start}-{stop - 1}/{size}"
    status = 200 if wanted is None else 206
    if request.method == "HEAD":
        headers["content-length"] = str(stop - start)
        return Response(status_code=status, headers=headers, media_type=kind)
    return Response(read(start, stop), status, headers=headers, media_type=kind)


def _wanted(text: str | None, size: int) -> tuple[int, int] | None:
    """The part that a Range header asks for; None for all, as also where the header says something else."""
    found = _RANGE.fullmatch((text or "").strip())
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        return max(size - int(last), 0), size
    stop = size if not last else min(int(last) + 1, size)
    return int(first), stop


def _numbers(query: Any, names: tuple[str, ...]) -> list[int]:
    try:
        return [int(query[name]) for name in names]
    except (KeyError, ValueError):
        raise InvalidArgumentError(
            f"A box of voxels needs whole numbers for {', '.join(names)}.",
            hint="x, y and z are voxels of mag 1, the lengths are voxels of the mag.",
        ) from None


def _check_size(size: tuple[int, int, int], itemsize: int) -> None:
    width, height, depth = size
    if min(size) < 0 or width * height * depth * itemsize > _MOST_BYTES:
        raise InvalidArgumentError(
            f"A box of {width} x {height} x {depth} voxels is more than one answer may have.",
            hint=f"Ask for boxes of at most {_MOST_BYTES >> 20} MB.",
        )


def base_url(request: Request) -> str:
    """The URL of this server as whoever asks knows it, with the token where the path has it."""
    return f"{request.url.scheme}://{request.url.netloc}{request.scope.get('shared.prefix', '')}"
