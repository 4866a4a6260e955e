"""Bringing datasets to a server: in pieces over HTTP, which go on where they were broken off, or by copies and links.

An upload is announced with the number and size of its files under an id that is kept on this machine until it is
done. Called again for the same files, it asks the server for each piece whether it has it, and sends what is missing.
Which files those are is settled first (`files_of`): what the dataset's metadata name, wherever it lies, below the
dataset's own folder, and metadata that say so. Empty files are left out, as the protocol can't carry them.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import tempfile
import time
import uuid
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import attrs

from wkplug.abc import locate, side_by_side
from wkplug.dataset import Dataset
from wkplug.dataset.transfer import TransferMode
from wkplug.errors import (
    InvalidArgumentError,
    ServerError,
    StorageError,
    UnknownToServerError,
    UnlistableError,
    WkplugError,
)
from wkplug.geometry import Mag
from wkplug_remote.webknossos.access_modes import to_server
from wkplug_remote.webknossos.client import segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from wkplug.abc import Location
    from wkplug.dataset import Layer, MagView
    from wkplug.dataset.attachments import Attachment
    from wkplug_remote.webknossos.client import Client
    from wkplug_remote.webknossos.metadata import ServerStore

__all__ = [
    "Announced", "File", "LayerToLink", "Way", "check_name", "files_below", "files_of", "publish", "scratch_layer",
    "send", "send_attachment", "send_mag", "transfer", "upload_store", "with_files",
]  # fmt: skip

PIECE = 16 * 2**20
JOBS = 5
PROPERTIES = "datasource-properties.json"
_HIDDEN = ".wkplug"
_KEPT_DAYS = 14
_FINISHING = 7200.0
_MAG_KEYS = ("mag", "axisOrder", "channelIndex", "cubeLength")


class LayerToLink(NamedTuple):
    """A layer of a dataset on a server, to be listed in a new one without sending it again."""

    dataset_id: str
    layer_name: str
    new_layer_name: str | None = None
    organization_id: str | None = None

    @classmethod
    def from_remote_layer(cls, remote_layer: Any, new_layer_name: str | None = None) -> LayerToLink:
        """Name a layer of an opened `RemoteDataset`."""
        return cls(remote_layer.dataset.dataset_id, remote_layer.name, new_layer_name)

    @property
    def shown_as(self) -> str:
        """The name in the new dataset."""
        return self.new_layer_name or self.layer_name

    def to_json(self) -> dict[str, Any]:
        """Give what servers are told."""
        return {
            "datasetId": self.dataset_id,
            "layerName": self.layer_name,
            "newLayerName": self.new_layer_name,
        }


class File(NamedTuple):
    """A file to be sent: its path within the dataset, and where it is, or its bytes."""

    path: str
    place: Location | bytes
    size: int

    def read(self, start: int, stop: int) -> bytes:
        """Give a part of it."""
        return self.place[start:stop] if isinstance(self.place, bytes) else self.place.read(start, stop)

    @property
    def mark(self) -> str:
        """A text that changes whenever the file does."""
        if isinstance(self.place, bytes):
            return hashlib.sha256(self.place).hexdigest()
        return str(self.place.version())


# --- what belongs to a dataset --------------------------------------------------------------------------------


def files_of(dataset: Dataset, name: str, without: Iterable[str] = ()) -> list[File]:
    """Give all files of a dataset, with metadata in which every path lies in the dataset's own folder.

    name: the dataset's, on the server. without: layers that are left out.
    """
    document = copy.deepcopy(dict(dataset.state.store.document))
    left_out = set(without)
    files: list[File] = []
    layers = []
    for raw in document["dataLayers"]:
        if raw["name"] not in left_out:
            layer = dataset.get_layer(raw["name"])
            files += _files_of_layer(layer, raw)
            layers.append(raw)
    for found in _own_names(dataset.location):
        if not found.endswith("/") and found != PROPERTIES:
            files.append(File(found, place := dataset.location.child(found), place.size()))
    document["dataLayers"] = layers
    document["id"] = {**document.get("id", {}), "name": name}
    text = json.dumps(document, indent=2).encode()
    files.append(File(PROPERTIES, text, len(text)))
    empty = [file.path for file in files if not file.size]
    if empty:
        warnings.warn(
            f"[WARNING] {len(empty)} empty files are not uploaded, such as {empty[0]}: servers take none.",
            UserWarning,
            stacklevel=2,
        )
    return [file for file in files if file.size]


def _files_of_layer(layer: Layer, raw: dict[str, Any]) -> list[File]:
    """The files of a layer; its entry in the metadata is changed to where they will be."""
    files: list[File] = []
    taken = set()
    by_mag = {Mag(entry["mag"]): entry for entry in raw["mags"]}
    for mag, view in layer.mags.items():
        # Says so if it is missing, or if an unfinished job left its mark there.
        place = view.state.source.handle.location
        folder = mag.to_layer_name()
        files += files_below(place, f"{layer.name}/{folder}")
        taken |= {place.name, mag.to_layer_name(), mag.to_long_layer_name()}
        entry = by_mag[mag]
        kept = {key: entry[key] for key in _MAG_KEYS if key in entry}
        entry.clear()
        entry.update({**kept, "path": f"./{layer.name}/{folder}"})
    attachments = raw.get("attachments") or {}
    places = {} if not attachments else _attached(layer)
    for kind, entries in attachments.items():
        for entry in entries if isinstance(entries, list) else [entries]:
            place = places[entry["name"]]
            path = f"{layer.name}/{kind}/{place.name}"
            files += files_below(place, path)
            entry["path"] = f"./{path}"
        taken.add(kind)
    for found in (name.rstrip("/") for name in _others(layer, taken)):
        files += files_below(layer.location.child(found), f"{layer.name}/{found}")
    return files


def _attached(layer: Layer) -> dict[str, Location]:
    return {one.name: one.location for one in layer.as_segmentation_layer().attachments}


def _others(layer: Layer, taken: set[str]) -> list[str]:
    """What else is in the layer's folder, such as mappings."""
    return [name for name in _own_names(layer.location) if name.rstrip("/") not in taken]


def _own_names(folder: Location) -> list[str]:
    """What is directly in a folder, but for what wkplug keeps there for itself; nothing where none can be listed."""
    try:
        return sorted(name for name in folder.list_all() if not name.startswith(_HIDDEN))
    except WkplugError:
        return []


def files_below(place: Location, path: str) -> list[File]:
    """Give the files of a folder, or the one file that it is, under a path within what is sent."""
    local = place.local_path()
    if local is not None and Path(local).is_file():
        return [File(path, place, place.size())]
    found = []
    for name, size in place.list_files():
        if any(part.startswith(_HIDDEN) for part in name.split("/")):
            continue
        file = place.child(*name.split("/"))
        where = f"{path}/{name}" if path else name
        found.append(File(where, file, file.size() if size is None else size))
    return sorted(found, key=lambda file: file.path)


# --- over HTTP ------------------------------------------------------------------------------------------------


@attrs.frozen
class Announced:
    """An upload as the server is told of it. domain: "dataset" or "mag". facts: what is said beside its files."""

    client: Client
    store: str
    domain: str
    facts: dict[str, Any]

    @property
    def is_old(self) -> bool:
        """Whether the server speaks a version before 14, which had other addresses."""
        return self.client.version < 14

    @property
    def pieces_url(self) -> str:
        """Where pieces go."""
        if self.is_old:
            return f"{self.store}/data/datasets"
        return self.client.data(self.store, f"/datasets/upload/{self.domain}")

    def reserve(self, upload_id: str, count: int, size: int) -> None:
        """Tell the server. Said again for an id that it knows, it changes nothing."""
        sizes = {"uploadId": upload_id, "totalFileCount": count, "totalFileSizeInBytes": size}
        if not self.is_old:
            body = {"resumableUploadInfo": sizes, **self.facts}
            self.client.ask("POST", f"{self.pieces_url}/reserveUpload", body=body, repeat=True)
            return
        if self.domain != "dataset":
            raise ServerError(
                f"{self.client.url} takes whole datasets only: it speaks version {self.client.version}."
            )
        body = {
            **sizes,
            "name": self.facts["datasetName"],
            "organization": self.facts["organizationId"],
            "initialTeams": self.facts["initialTeamIds"],
            "layersToLink": self.facts["layersToLink"],
            "folderId": self.facts["folderId"],
        }
        self.client.ask(
            "POST", self.client.data(self.store, "/datasets/reserveUpload"), body=body, repeat=True
        )

    def finish(self, upload_id: str) -> str:
        """Let the server make of the files what they are; gives the dataset's id."""
        if self.is_old:
            url = self.client.data(self.store, "/datasets/finishUpload")
            told = self.client.ask("POST", url, body={"uploadId": upload_id}, timeout=_FINISHING)
            return str(told.json["newDatasetId"])
        told = self.client.ask(
            "POST", f"{self.pieces_url}/finishUpload", query={"uploadId": upload_id}, timeout=_FINISHING
        )
        return str(told.json["datasetId"])


class _Piece(NamedTuple):
    file: File
    number: int

    @property
    def bounds(self) -> tuple[int, int]:
        return (self.number - 1) * PIECE, min(self.number * PIECE, self.file.size)


def send(
    announced: Announced,
    files: Sequence[File],
    *,
    jobs: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> str:
    """Send files, and what is missing of them if that was begun before; gives the id of the dataset.

    jobs: how many pieces are sent at the same time. progress: is told the bytes that are there, and all.
    """
    total = sum(file.size for file in files)
    kept = _KeptId.of(announced, files)
    upload_id, begun = kept.upload_id, kept.begun
    announced.reserve(upload_id, len(files), total)
    pieces = [_Piece(file, number + 1) for file in files for number in range(-(-file.size // PIECE))]

    def bring(piece: _Piece) -> int:
        if not begun or not _is_there(announced, upload_id, piece):
            _send_piece(announced, upload_id, piece, len(files))
        start, stop = piece.bounds
        return stop - start

    done = 0
    progress = progress or _shown_nowhere
    progress(0, total)
    for size in side_by_side(bring, pieces, at_once=jobs or JOBS):
        done += size
        progress(done, total)
    try:
        made = announced.finish(upload_id)
    except ServerError:
        kept.forget()  # the server has thrown away what it couldn't use
        raise
    except StorageError as error:
        error.hint = (
            f"The server may go on with it: look at {announced.client.url}. If the dataset doesn't appear, call "
            "upload again: only what is missing is sent."
        )
        raise
    kept.forget()
    return made


def _shown_nowhere(done: int, total: int) -> None:
    del done, total


def _is_there(announced: Announced, upload_id: str, piece: _Piece) -> bool:
    query = {
        "resumableIdentifier": f"{upload_id}/{piece.file.path}",
        "resumableChunkNumber": piece.number,
        "totalFileCount": 1,
    }
    return announced.client.ask("GET", announced.pieces_url, query=query, accepted=(200, 204)).status == 200


def _send_piece(announced: Announced, upload_id: str, piece: _Piece, count: int) -> None:
    file, (start, stop) = piece.file, piece.bounds
    data = file.read(start, stop)
    if len(data) != stop - start:
        raise StorageError(
            f"{file.path} became shorter while it was uploaded.",
            hint="Upload again when nobody writes to it.",
        )
    fields = {
        "resumableChunkNumber": piece.number,
        "resumableChunkSize": PIECE,
        "resumableCurrentChunkSize": len(data),
        "resumableTotalSize": file.size,
        "resumableType": "",
        "resumableIdentifier": f"{upload_id}/{file.path}",
        "resumableFilename": file.path,
        "resumableRelativePath": file.path,
        "resumableTotalChunks": -(-file.size // PIECE),
        "totalFileCount": count,
    }
    if announced.is_old:
        fields |= {
            "owningOrganization": announced.facts["organizationId"],
            "name": announced.facts["datasetName"],
        }
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="upload"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    body = b"".join([*parts, head, data, f"\r\n--{boundary}--\r\n".encode()])
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    # A piece that comes twice is passed over by the server.
    announced.client.ask(
        "POST", announced.pieces_url, content=body, headers=kind, repeat=True, accepted=(200, 201)
    )


@attrs.frozen
class _KeptId:
    """The id of an upload, kept in a file until it is done. begun: whether it was begun by an earlier call."""

    upload_id: str
    begun: bool
    file: Path

    @classmethod
    def of(cls, announced: Announced, files: Sequence[File]) -> _KeptId:
        """Find what an earlier call has kept for the very same files, or make an id."""
        marks = list(side_by_side(lambda file: file.mark, files, at_once=16))
        said: list[Any] = [announced.client.url, announced.store, announced.domain, announced.facts]
        said.append([[file.path, file.size, mark] for file, mark in zip(files, marks, strict=True)])
        key = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:40]
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "wkplug", "uploads")
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.json"):
            with suppress(OSError):
                if time.time() - old.stat().st_mtime > _KEPT_DAYS * 86400:
                    old.unlink()
        file = folder / f"{key}.json"
        with suppress(OSError, ValueError, KeyError, TypeError):
            return cls(str(json.loads(file.read_text())["uploadId"]), begun=True, file=file)
        upload_id = f"{time.strftime('%Y-%m-%dT%H-%M-%S', time.gmtime())}__{uuid.uuid4()}"
        file.write_text(json.dumps({"uploadId": upload_id, "server": announced.client.url}))
        return cls(upload_id, begun=False, file=file)

    def forget(self) -> None:
        """Let go of it: the upload is done, or can't go on."""
        self.file.unlink(missing_ok=True)


# --- single mags and attachments ------------------------------------------------------------------------------


@attrs.frozen
class Way:
    """How single mags and attachments get to a server. prefix: of the server's own places, which is asked for."""

    mode: TransferMode = attrs.field(default=TransferMode.HTTP, converter=TransferMode)
    prefix: str | None = None
    overwrite_pending: bool = True


@contextmanager
def with_files(view: MagView, data_format: str) -> Iterator[MagView]:
    """Give a mag with the same voxels whose files are in a format and can be listed: itself, or a temporary copy."""
    if view.layer.data_format == data_format:
        with suppress(UnlistableError):
            next(view.location.list_files(), None)
            yield view
            return
    with scratch_layer(view.layer, data_format) as layer:
        yield layer.add_mag_as_copy(view)


@contextmanager
def scratch_layer(like: Layer, data_format: str) -> Iterator[Layer]:
    """Give a layer without mags in a temporary dataset, described as another is."""
    with tempfile.TemporaryDirectory(prefix="wkplug-upload-") as folder:
        size = like.dataset.voxel_size_with_unit
        dataset = Dataset(Path(folder, "dataset"), voxel_size_with_unit=size)
        yield dataset.add_layer(
            like.name,
            like.category,
            dtype=like.dtype,
            num_channels=like.num_channels,
            data_format=cast("Any", data_format),
            bounding_box=like.bounding_box,
        )


def send_mag(server: ServerStore, layer_name: str, view: MagView, mag: Mag, way: Way) -> None:
    """Bring a mag to a layer on a server, which has none such; the server lists it then."""
    raw = view.layer.dataset.state.store.raw_layer(view.layer.name)
    entry: dict[str, Any] = next((one for one in raw["mags"] if Mag(one["mag"]) == view.mag), {})
    order = entry.get("axisOrder") or {"c": 0, "x": 1, "y": 2, "z": 3}
    place = {"mag": list(mag.to_tuple()), "axisOrder": order, "channelIndex": entry.get("channelIndex")}
    if way.mode is TransferMode.HTTP:
        facts = {
            "datasetId": server.dataset_id,
            "layerName": layer_name,
            "mag": place,
            "overwritePending": way.overwrite_pending,
        }
        announced = Announced(server.client, server.store_url, "mag", facts)
        send(announced, files_below(view.location, ""))
    else:
        body = {
            "layerName": layer_name,
            **place,
            "pathPrefix": way.prefix,
            "overwritePending": way.overwrite_pending,
        }
        _bring_one(server, "Mag", body, view.path, way.mode)
    server.fetch()


def send_attachment(
    server: ServerStore, layer_name: str, kind: str, attachment: Attachment, way: Way
) -> None:
    """Bring an attachment to a layer on a server. kind: as the server calls it, such as "mesh"."""
    data_format = str(attachment.data_format)
    if way.mode is TransferMode.HTTP:
        facts = {
            "datasetId": server.dataset_id,
            "layerName": layer_name,
            "attachmentType": kind,
            "attachment": {"name": attachment.name, "path": "dummy_path", "dataFormat": data_format},
            "overwritePending": way.overwrite_pending,
        }
        place = attachment.location
        local = place.local_path()
        is_file = local is not None and Path(local).is_file()
        announced = Announced(server.client, server.store_url, "attachment", facts)
        send(announced, files_below(place, place.name if is_file else ""))
    else:
        body = {
            "layerName": layer_name,
            "attachmentName": attachment.name,
            "attachmentType": kind,
            "attachmentDataformat": data_format,
            "pathPrefix": way.prefix,
            "overwritePending": way.overwrite_pending,
        }
        _bring_one(server, "Attachment", body, attachment.path, way.mode)
    server.fetch()


def _bring_one(server: ServerStore, what: str, body: dict[str, Any], source: Any, mode: TransferMode) -> None:
    path = f"/datasets/{server.dataset_id}"
    target = server.client.api("POST", f"{path}/reserve{what}UploadToPath", body=body)
    mode.transfer(source, str(target))
    server.client.api("POST", f"{path}/finish{what}UploadToPath", body=body)


# --- by copies and links --------------------------------------------------------------------------------------


def transfer(
    client: Client, dataset: Dataset, facts: dict[str, Any], mode: TransferMode, prefix: str | None
) -> str:
    """Make a dataset on a server whose disks or buckets are seen from here, too; gives its id."""
    linked = {link["newLayerName"] or link["layerName"] for link in facts["layersToLink"]}
    source = _described(dataset, facts["datasetName"], linked)
    body = {**facts, "dataSource": to_server(source, client.version), "pathPrefix": prefix}
    body.pop("organizationId")
    told = client.api("POST", "/datasets/reserveUploadToPaths", body=body)
    key = str(told["newDatasetId"])
    _bring(dataset, told["dataSource"], mode)
    client.api("POST", f"/datasets/{key}/finishUploadToPaths")
    return key


def publish(
    client: Client, dataset: Dataset, dataset_id: str, mode: TransferMode, prefix: str | None
) -> None:
    """Fill a dataset that a server has made without data."""
    body = {
        "dataSource": to_server(_described(dataset, dataset.name, ()), client.version),
        "pathPrefix": prefix,
    }
    told = client.api("POST", f"/datasets/{dataset_id}/reserveUploadToPathsForPreliminary", body=body)
    _bring(dataset, told["dataSource"], mode)
    client.api("POST", f"/datasets/{dataset_id}/finishUploadToPaths")


def _described(dataset: Dataset, name: str, without: Iterable[str]) -> dict[str, Any]:
    source = copy.deepcopy(dict(dataset.state.store.document))
    source["id"] = {**source.get("id", {}), "name": name}
    source["dataLayers"] = [layer for layer in source["dataLayers"] if layer["name"] not in set(without)]
    return source


def _bring(dataset: Dataset, source: dict[str, Any], mode: TransferMode) -> None:
    """Bring every mag and attachment to where the server wants it."""
    for raw in source["dataLayers"]:
        layer = dataset.get_layer(raw["name"])
        for entry in raw["mags"]:
            mode.transfer(layer.get_mag(entry["mag"]).path, entry["path"])
        attachments = raw.get("attachments") or {}
        places = {} if not attachments else _attached(layer)
        for entries in attachments.values():
            for entry in entries if isinstance(entries, list) else [entries]:
                mode.transfer(locate(places[entry["name"]]), entry["path"])


# --- what is asked first --------------------------------------------------------------------------------------


def check_name(client: Client, name: str) -> None:
    """Raise InvalidArgumentError (a ValueError) for a name that the server doesn't take."""
    told = client.api("GET", f"/datasets/{segment(name)}/isValidNewName")
    if isinstance(told, dict) and not told.get("isValid", True):
        problems = told.get("errors") or "it doesn't say why"
        text = problems if isinstance(problems, str) else "; ".join(str(one) for one in problems)
        raise InvalidArgumentError(
            f"{client.url} takes no dataset called {name!r}: {text}.".replace("..", "."),
            hint="Give another name.",
        )


def upload_store(client: Client) -> str:
    """The address of the first store that takes uploads; UnknownToServerError if none does."""
    for one in client.api("GET", "/datastores") or []:
        if one.get("allowsUpload"):
            return str(one["url"]).rstrip("/")
    raise UnknownToServerError(
        f"{client.url} has no store that takes uploads.", hint="Ask whoever runs the server."
    )
