"""Files that come in: reserved, sent in chunks in any order and as often as clients like, and put in their place.

A chunk counts once its bytes are on the disk. A killed server loses nothing that it has acknowledged, and finishing an
upload again after a kill goes on where it stopped. Half an upload is seen nowhere but here; what nobody has finished
for two weeks is forgotten at the next start.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from wkplug.dataset import Dataset
from wkplug.errors import InvalidArgumentError, MissingError, StorageFullError, WkplugError
from wkplug.geometry import Mag
from wkplug_server.hub.database import as_json, now
from wkplug_server.hub.datasets import UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from wkplug_server.hub.database import Database
    from wkplug_server.hub.datasets import HubDatasets

__all__ = ["Uploads"]

Row = dict[str, Any]

_PROPERTIES = "datasource-properties.json"
_LONGEST = 14 * 24 * 3600 * 1000
_BLOCK = 1 << 20


class Uploads:
    """All uploads of a hub; thread-safe."""

    def __init__(self, home: Path, database: Database, datasets: HubDatasets) -> None:
        self._folder = home / "uploads"
        self._folder.mkdir(exist_ok=True)
        self._database, self._datasets = database, datasets
        for row in database.rows("SELECT * FROM uploads WHERE created < ?", now() - _LONGEST):
            self._forget(row, keep_dataset=False)
        known = {row["id"] for row in database.rows("SELECT id FROM uploads")}
        for folder in self._folder.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    # --- reserving --------------------------------------------------------------------------------------------

    def reserve_dataset(self, body: Mapping[str, Any], user: Row) -> None:
        """Begin the upload of a dataset; the same upload once more is nothing new."""
        info = _info(body)
        if self._known(info["id"], user):
            return
        with self._database.change():
            dataset = self._datasets.add(
                body.get("datasetName") or body.get("name") or "",
                uploader=user,
                folder=body.get("folderId"),
                teams=list(body.get("initialTeamIds") or body.get("initialTeams") or []),
                status=UNFINISHED,
            )
            self._insert(info, "dataset", dataset, user, {"layersToLink": body.get("layersToLink") or []})

    def reserve_part(self, kind: str, body: Mapping[str, Any], dataset: Row, user: Row) -> None:
        """Begin the upload of a mag or an attachment of a dataset. kind: mag or attachment."""
        info = _info(body)
        if self._known(info["id"], user):
            return
        if "layerName" not in body:
            raise InvalidArgumentError("The request names no layer: layerName.")
        self._datasets.shared(dataset).dataset.get_layer(body["layerName"])
        kept = {key: body.get(key) for key in ("layerName", "mag", "attachment", "attachmentType")}
        self._insert(info, kind, dataset, user, kept)

    def _known(self, key: str, user: Row) -> bool:
        found = self._database.row("SELECT * FROM uploads WHERE id = ?", key)
        if found is not None and found["user"] != user["id"]:
            raise InvalidArgumentError(f"The upload {key!r} is somebody else's.", hint="Choose another id.")
        return found is not None

    def _insert(self, info: Row, kind: str, dataset: Row, user: Row, request: Mapping[str, Any]) -> None:
        (self._folder / info["id"]).mkdir()
        self._database.insert(
            "uploads",
            id=info["id"],
            kind=kind,
            dataset=dataset["id"],
            user=user["id"],
            files=info["files"],
            bytes=info["bytes"],
            request=json.dumps(request),
            created=now(),
        )

    def get(self, key: str, user: Row) -> Row:
        """The upload of a user; InvalidArgumentError if there is none."""
        found = self._database.row("SELECT * FROM uploads WHERE id = ? AND user = ?", key, user["id"])
        if found is None:
            raise InvalidArgumentError(f"There is no upload {key!r}.", hint="Reserve it first.")
        return found

    def unfinished(self, user: Row) -> list[Row]:
        """The uploads of datasets that a user has begun, for going on with them."""
        found = []
        for row in self._database.rows(
            "SELECT * FROM uploads WHERE user = ? AND kind = 'dataset'", user["id"]
        ):
            dataset = self._datasets.get(row["dataset"])
            paths = self._database.rows("SELECT DISTINCT path FROM chunks WHERE upload = ?", row["id"])
            found.append(
                {
                    "uploadId": row["id"],
                    "datasetId": dataset["id"],
                    "datasetName": dataset["name"],
                    "folderId": dataset["folder"],
                    "created": row["created"],
                    "filePaths": [each["path"] for each in paths],
                    "allowedTeams": [],
                }
            )
        return found

    # --- chunks -----------------------------------------------------------------------------------------------

    def has_chunk(self, upload: Row, path: str, number: int) -> bool:
        """Whether a chunk is on the disk already."""
        query = "SELECT 1 FROM chunks WHERE upload = ? AND path = ? AND number = ?"
        return bool(self._database.rows(query, upload["id"], path, number))

    def add_chunk(
        self, upload: Row, path: str, number: int, count: int, *, chunk_bytes: int, size: int, data: BinaryIO
    ) -> None:
        """Write a chunk to its place in its file. number: from 1. chunk_bytes: of all chunks but the last."""
        target = self._folder.joinpath(upload["id"], *_parts(path))
        if not (1 <= number <= max(count, 1)) or chunk_bytes < 0 or size < 0:
            raise InvalidArgumentError(f"Chunk {number} of {count} of {path!r} makes no sense.")
        if self.has_chunk(upload, path, number):
            return
        received = self._database.row("SELECT sum(bytes) AS bytes FROM chunks WHERE upload = ?", upload["id"])
        if upload["bytes"] is not None and ((received or {}).get("bytes") or 0) + size > upload["bytes"]:
            raise InvalidArgumentError(
                f"The upload {upload['id']!r} was announced with {upload['bytes']:,} bytes, and this would be more.",
                hint="Reserve another upload, with the right size.",
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        written = _write_at(target, (number - 1) * chunk_bytes, data, size)
        if written != size:
            raise InvalidArgumentError(
                f"Chunk {number} of {path!r} has {written:,} bytes; {size:,} were announced.",
                hint="Send it again.",
            )
        self._database.execute(
            "INSERT OR IGNORE INTO chunks (upload, path, number, count, bytes) VALUES (?, ?, ?, ?, ?)",
            upload["id"],
            path,
            number,
            max(count, 1),
            size,
        )

    # --- the end ----------------------------------------------------------------------------------------------

    def cancel(self, upload: Row) -> None:
        """Forget an upload, and the dataset that it was to become."""
        self._forget(upload, keep_dataset=upload["kind"] != "dataset")

    def _forget(self, upload: Row, *, keep_dataset: bool) -> None:
        dataset = self._database.row("SELECT * FROM datasets WHERE id = ?", upload["dataset"])
        self._database.execute("DELETE FROM uploads WHERE id = ?", upload["id"])
        shutil.rmtree(self._folder / upload["id"], ignore_errors=True)
        if not keep_dataset and dataset is not None and dataset["status"]:
            self._datasets.delete(dataset)

    def finish(self, upload: Row) -> str:
        """Check that all is there, and put it in its place; gives the dataset's id.

        InvalidArgumentError if something is missing, or is no dataset: then nothing has changed.
        """
        self._check_complete(upload)
        dataset = self._datasets.get(upload["dataset"])
        folder = self._folder / upload["id"]
        if upload["kind"] == "dataset":
            self._finish_dataset(upload, dataset, folder)
        else:
            self._finish_part(upload, dataset, folder)
        self._forget(upload, keep_dataset=True)
        return str(dataset["id"])

    def _check_complete(self, upload: Row) -> None:
        query = "SELECT path, count, count(*) AS found FROM chunks WHERE upload = ? GROUP BY path"
        files = self._database.rows(query, upload["id"])
        missing = [row["path"] for row in files if row["found"] < row["count"]]
        if missing:
            raise InvalidArgumentError(
                f"{len(missing)} files of the upload {upload['id']!r} have not come whole, such as {missing[0]!r}.",
                hint="Send their missing chunks, and finish the upload again.",
            )
        if len(files) < upload["files"]:
            raise InvalidArgumentError(
                f"{len(files)} files of the upload {upload['id']!r} have come; {upload['files']} were announced.",
                hint="Send the others, and finish the upload again.",
            )

    def _finish_dataset(self, upload: Row, dataset: Row, folder: Path) -> None:
        target = self._datasets.path(dataset)
        if not target.exists():  # else a killed server had come as far as this
            _unpack(folder)
            prepared = _dataset_folder(folder)
            try:
                if (prepared / _PROPERTIES).is_file():
                    Dataset.open(prepared, read_only=True)
                    prepared.rename(target)
                else:
                    self._explore(prepared, target)
            except WkplugError as error:
                raise InvalidArgumentError(
                    f"What was uploaded is no dataset: {error.message}",
                    hint="Upload the folder of a dataset, with its datasource-properties.json.",
                ) from error
        for link in as_json(upload["request"])["layersToLink"]:
            self._link(dataset, link)
        self._database.update("datasets", dataset["id"], status="")

    def _explore(self, prepared: Path, target: Path) -> None:
        """Make a dataset of a container of another tool, which stays as it is."""
        Dataset.explore(str(prepared))
        making = target.with_name(f".{target.name}")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir()
        prepared.rename(making / "uploaded")
        Dataset.explore(str(making / "uploaded")).create_dataset(making / "dataset", name=target.name)
        document = json.loads((making / "dataset" / _PROPERTIES).read_text())
        for layer in document["dataLayers"]:
            for mag in layer["mags"]:
                inside = os.path.relpath(str(mag["path"]).removeprefix("file://"), making / "dataset")
                mag["path"] = "./" + PurePosixPath(inside).as_posix().removeprefix("../")
        (making / _PROPERTIES).write_text(json.dumps(document, indent=2))
        shutil.rmtree(making / "dataset")
        making.rename(target)

    def _link(self, dataset: Row, link: Mapping[str, Any]) -> None:
        key = link.get("datasetId") or link.get("dataSetName") or ""
        source = self._database.row("SELECT * FROM datasets WHERE id = ? OR name = ?", key, key)
        if source is None:
            raise MissingError(f"There is no dataset {key!r}, of which a layer was to be linked.")
        name = link.get("newLayerName") or link["layerName"]
        if name not in Dataset.open(self._datasets.path(dataset), read_only=True).layers:
            self._datasets.link_layer(dataset, source, link["layerName"], name)

    def _finish_part(self, upload: Row, dataset: Row, folder: Path) -> None:
        request = as_json(upload["request"])
        layer = request["layerName"]
        suffix = upload["id"].rpartition("__")[2][:12] or "0"
        if upload["kind"] == "mag":
            entry = request["mag"]
            inside = f"{layer}/{Mag(entry['mag']).to_layer_name()}__{suffix}"
        else:
            entry = request["attachment"]
            inside = f"{layer}/{request['attachmentType']}/{entry['name']}__{suffix}"
        target = self._datasets.path(dataset).joinpath(*_parts(inside))
        if not target.exists():
            _unpack(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            folder.rename(target)
        if upload["kind"] == "mag":
            self._datasets.list_mag(dataset, layer, entry, f"./{inside}")
        else:
            self._datasets.list_attachment(dataset, layer, request["attachmentType"], entry, f"./{inside}")


def _info(body: Mapping[str, Any]) -> Row:
    """What a request says of its upload, whatever the version of the API."""
    info = body.get("resumableUploadInfo") or body
    key = str(info.get("uploadId") or "")
    if not key or _parts(key) != [key] or len(key) > 200:
        raise InvalidArgumentError(
            f"{key!r} can't be the id of an upload.", hint="Give a text without slashes."
        )
    files, size = info.get("totalFileCount"), info.get("totalFileSizeInBytes")
    if not isinstance(files, int) or files < 0 or not (size is None or isinstance(size, int)):
        raise InvalidArgumentError("The request must say how many files and bytes will come: totalFileCount.")
    return {"id": key, "files": files, "bytes": size}


def _parts(path: str) -> list[str]:
    """The parts of a relative path; InvalidArgumentError for one that could lead elsewhere."""
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part or len(part) > 255 for part in parts):
        raise InvalidArgumentError(
            f"{path!r} is no path inside of a dataset.", hint="Paths are relative, with / between folders."
        )
    return parts


def _write_at(target: Path, offset: int, data: BinaryIO, size: int) -> int:
    """Write a part of a file and see it on the disk; gives how many bytes there were."""
    written = 0
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.seek(offset)
            while written <= size and (block := data.read(_BLOCK)):
                written += len(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageFullError(
            f"The hub can't write what is uploaded: {error.strerror}.", hint="Tell whoever runs it."
        ) from error
    return written


def _unpack(folder: Path) -> None:
    """Unpack a single archive; its files may lie nowhere but in the folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    if len(files) != 1 or files[0].suffix.lower() != ".zip":
        return
    try:
        with zipfile.ZipFile(files[0]) as archive:
            for name in archive.namelist():
                _parts(name.rstrip("/"))
            archive.extractall(folder)
    except zipfile.BadZipFile as error:
        raise InvalidArgumentError(f"{files[0].name} is no zip archive: {error}.") from error
    files[0].unlink()


def _dataset_folder(folder: Path) -> Path:
    """The folder of the dataset in an upload: the one with the properties, or the first with more than a folder."""
    while not (folder / _PROPERTIES).is_file():
        inside = list(folder.iterdir())
        if len(inside) != 1 or not inside[0].is_dir():
            return folder
        folder = inside[0]
    return folder
