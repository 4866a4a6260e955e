"""The datasets of a hub: what the database says of them, and their files, below DIR/datasets.

A dataset's layers are described in its own datasource-properties.json and nowhere else. What clients say of layers is
merged into that: paths of mags and attachments are never taken from them.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import threading
from typing import TYPE_CHECKING, Any

from wkplug.abc import locate
from wkplug.dataset import Dataset
from wkplug.errors import (
    DatasetError,
    InvalidArgumentError,
    LayerNotFoundError,
    MagExistsError,
    MissingError,
    WkplugError,
)
from wkplug.geometry import Mag
from wkplug_server import facts
from wkplug_server.catalogue import Shared
from wkplug_server.hub.database import ORGANIZATION, as_json, new_id, now
from wkplug_server.hub.rights import teams_around

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wkplug_server.hub.database import Database

__all__ = ["UNFINISHED", "HubDatasets", "name_problem"]

Row = dict[str, Any]

UNFINISHED = "Not yet fully uploaded."
_PROPERTIES = "datasource-properties.json"
_NAME = re.compile(r"[A-Za-z0-9_\-. ]+")
# What a client may say of a layer; all else stays as the hub has it.
_LAYER_KEYS = (
    "category",
    "boundingBox",
    "defaultViewConfiguration",
    "adminViewConfiguration",
    "coordinateTransformations",
    "largestSegmentId",
    "mappings",
    "additionalAxes",
    "elementClass",
    "numChannels",
)
ATTACHMENTS = {
    "mesh": "meshes",
    "agglomerate": "agglomerates",
    "segmentIndex": "segmentIndex",
    "connectome": "connectomes",
    "cumsum": "cumsum",
    "segmentStatistics": "segmentStatistics",
}
"""The types of attachments, and the key of each in the properties; those of one key are a list."""
SINGLE_ATTACHMENTS = frozenset({"segmentIndex", "cumsum", "segmentStatistics"})


def name_problem(name: str) -> str:
    """Why a dataset can't have this name; "" if it can."""
    if len(name) < 3:
        return "Dataset name should be at least 3 characters."
    if not _NAME.fullmatch(name):
        return "Dataset name may have letters, digits, '_', '-', '.' and spaces only."
    return "Dataset name must not begin with a dot." if name.startswith(".") else ""


class HubDatasets:
    """All datasets of a hub; thread-safe."""

    def __init__(self, home: Path, database: Database) -> None:
        self.folder = home / "datasets"
        self.folder.mkdir(exist_ok=True)
        self._trash = home / "deleted"
        self._trash.mkdir(exist_ok=True)
        self._database = database
        self._lock = threading.RLock()
        self._opened: dict[str, Shared] = {}
        self._sizes: dict[str, int] = {}
        self._delete_trash()

    def path(self, dataset: Row) -> Path:
        """The dataset's folder."""
        return self.folder / str(dataset["directory"])

    def shared(self, dataset: Row) -> Shared:
        """The opened dataset; DatasetError while there is nothing to open."""
        with self._lock:
            found = self._opened.get(dataset["id"])
            if found is None:
                if dataset["status"]:
                    raise DatasetError(f"The dataset {dataset['name']!r} can't be read: {dataset['status']}")
                opened = Dataset.open(self.path(dataset), read_only=True)
                found = self._opened[dataset["id"]] = Shared(opened, dataset["id"], dataset["name"])
            return found

    def forget(self, key: str) -> None:
        """Open a dataset anew when it is asked for again, because its files have changed."""
        with self._lock:
            self._opened.pop(key, None)
            self._sizes.pop(key, None)

    # --- what clients see -------------------------------------------------------------------------------------

    def to_json(self, dataset: Row, server: str, *, is_editable: bool) -> dict[str, Any]:
        """The whole object of a dataset."""
        database = self._database
        around = teams_around(database, dataset)
        listed = {team["id"] for team in database.teams_in("dataset", dataset["id"])}
        teams = [team_json(team) for team in database.rows("SELECT * FROM teams ORDER BY name")]
        return {
            "id": dataset["id"],
            "name": dataset["name"],
            "directoryName": dataset["directory"],
            "dataSource": self._source(dataset, server),
            "dataStore": {**facts.datastore_json(server), "allowsUpload": True},
            "owningOrganization": ORGANIZATION,
            "allowedTeams": [team for team in teams if team["id"] in listed],
            "allowedTeamsCumulative": [team for team in teams if team["id"] in around],
            "isActive": not dataset["status"],
            "isPublic": bool(dataset["is_public"]),
            "description": dataset["description"],
            "created": dataset["created"],
            "isEditable": is_editable,
            "lastUsedByUser": dataset["last_used"],
            "logoUrl": "",
            "sortingKey": dataset["sorting_key"],
            "metadata": as_json(dataset["metadata"]),
            "isUnreported": False,
            "tags": as_json(dataset["tags"]),
            "folderId": dataset["folder"],
            "usedStorageBytes": self.size(dataset),
            "isVirtual": bool(dataset["is_virtual"]),
        }

    def _source(self, dataset: Row, server: str) -> dict[str, Any]:
        identity = {"name": dataset["directory"], "team": ORGANIZATION}
        if dataset["status"]:
            return {"id": identity, "status": dataset["status"]}
        try:
            shared = self.shared(dataset)
        except WkplugError as error:
            return {"id": identity, "status": error.message}
        return {**facts.source_json(shared, server), "id": identity}

    def to_compact_json(self, dataset: Row, *, is_editable: bool) -> dict[str, Any]:
        """The object of a dataset in lists."""
        layers: list[Any] = []
        if not dataset["status"]:
            try:
                layers = list(self.shared(dataset).dataset.layers.values())
            except WkplugError as error:
                dataset = {**dataset, "status": error.message}
        return {
            "id": dataset["id"],
            "name": dataset["name"],
            "owningOrganization": ORGANIZATION,
            "folderId": dataset["folder"],
            "isActive": not dataset["status"],
            "directoryName": dataset["directory"],
            "created": dataset["created"],
            "isEditable": is_editable,
            "lastUsedByUser": dataset["last_used"],
            "status": dataset["status"],
            "tags": as_json(dataset["tags"]),
            "isUnreported": False,
            "colorLayerNames": [layer.name for layer in layers if layer.category == "color"],
            "segmentationLayerNames": [layer.name for layer in layers if layer.category == "segmentation"],
        }

    def size(self, dataset: Row) -> int:
        """The bytes of a dataset's files, measured once until something changes: there may be very many."""
        found = self._sizes.get(dataset["id"])
        if found is None:
            files = (
                file for file in self.path(dataset).rglob("*") if file.is_file() and not file.is_symlink()
            )
            found = sum(file.lstat().st_size for file in files)
            if not dataset["status"]:
                self._sizes[dataset["id"]] = found
        return found

    # --- adding and deleting ----------------------------------------------------------------------------------

    def add(
        self,
        name: str,
        *,
        uploader: Row,
        folder: str | None,
        teams: list[str],
        status: str,
        is_virtual: bool = False,
    ) -> Row:
        """Register a dataset, whose files are still to come if it has a status."""
        problem = name_problem(name)
        if problem:
            raise InvalidArgumentError(problem, hint="Choose another name.")
        database, key = self._database, new_id()
        if folder is not None and not database.rows("SELECT 1 FROM folders WHERE id = ?", folder):
            raise MissingError(f"There is no folder {folder}.")
        with database.change():
            database.insert(
                "datasets",
                id=key,
                name=name,
                directory=f"{name.replace(' ', '_')}-{key}",
                folder=folder or database.root()["id"],
                status=status,
                is_public=0,
                is_virtual=int(is_virtual),
                description=None,
                tags="[]",
                metadata="[]",
                sharing_token=None,
                uploader=uploader["id"],
                created=now(),
                last_used=now(),
                sorting_key=now(),
            )
            database.set_teams("dataset", key, teams)
        return self.get(key)

    def get(self, key: str) -> Row:
        """The row of a dataset."""
        found = self._database.row("SELECT * FROM datasets WHERE id = ?", key)
        if found is None:
            raise MissingError(f"There is no dataset {key}.")
        return found

    def delete(self, dataset: Row) -> None:
        """Forget a dataset, and delete its files."""
        self._database.execute("DELETE FROM datasets WHERE id = ?", dataset["id"])
        self.forget(dataset["id"])
        folder = self.path(dataset)
        if folder.exists():
            folder.rename(self._trash / folder.name)
        self._delete_trash()

    def _delete_trash(self) -> None:
        """Delete what is deleted already; also what a killed server had begun to."""
        for folder in self._trash.iterdir():
            shutil.rmtree(folder, ignore_errors=True)
        # Files of datasets that were forgotten just before their folder was moved away.
        known = {row["directory"] for row in self._database.rows("SELECT directory FROM datasets")}
        for folder in self.folder.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def explore(self, url: str, name: str, *, uploader: Row, folder: str | None) -> Row:
        """Add a dataset whose layers refer to what is at a place; errors say why there is nothing."""
        if locate(url).local_path() is not None:
            raise InvalidArgumentError(
                "Places on the hub's own disk can't be added: everybody could read them.",
                hint="Give the URL of a bucket or web server, or upload the dataset.",
            )
        found = Dataset.explore(url)
        dataset = self.add(
            name, uploader=uploader, folder=folder, teams=[], status=UNFINISHED, is_virtual=True
        )
        try:
            found.create_dataset(self.path(dataset), name=name)
        except WkplugError:
            self.delete(dataset)
            raise
        self._database.update("datasets", dataset["id"], status="")
        return self.get(dataset["id"])

    # --- changing ---------------------------------------------------------------------------------------------

    def sharing_token(self, dataset: Row) -> str:
        """The dataset's token for links, the same until it is revoked."""
        with self._database.change():
            token = self.get(dataset["id"])["sharing_token"]
            if token is None:
                token = secrets.token_urlsafe(16)
                self._database.update("datasets", dataset["id"], sharing_token=token)
        return str(token)

    def update(self, dataset: Row, body: Mapping[str, Any]) -> None:
        """Take over what is in an object of the API; keys that are absent stay, null clears a text."""
        values: dict[str, Any] = {}
        if body.get("name") is not None and body["name"] != dataset["name"]:
            problem = name_problem(body["name"])
            if problem:
                raise InvalidArgumentError(problem, hint="Choose another name.")
            values["name"] = body["name"]
        if "description" in body:
            values["description"] = body["description"]
        for key, column in (("isPublic", "is_public"), ("sortingKey", "sorting_key")):
            if body.get(key) is not None:
                values[column] = int(body[key])
        for key in ("tags", "metadata"):
            if body.get(key) is not None:
                values[key] = json.dumps(body[key])
        keys = [each.get("key") for each in body.get("metadata") or []]
        if len(keys) != len(set(keys)):
            raise InvalidArgumentError("Metadata may have each key once.", hint="Change the value instead.")
        if body.get("folderId") is not None:
            if not self._database.rows("SELECT 1 FROM folders WHERE id = ?", body["folderId"]):
                raise MissingError(f"There is no folder {body['folderId']}.")
            values["folder"] = body["folderId"]
        if body.get("dataSource") is not None:
            renamed = {each["oldName"]: each["newName"] for each in body.get("layerRenamings") or []}
            self._update_source(dataset, body["dataSource"], renamed)
        self._database.update("datasets", dataset["id"], **values)
        self.forget(dataset["id"])

    def _update_source(self, dataset: Row, source: Mapping[str, Any], renamed: Mapping[str, str]) -> None:
        opened = Dataset.open(self.path(dataset))
        for old, new in renamed.items():
            if old in opened.layers:
                opened.get_layer(old).name = new
        wanted = {layer["name"]: layer for layer in source.get("dataLayers", [])}
        for name in list(opened.layers):
            if name not in wanted:
                opened.delete_layer(name)
            else:
                kept = [Mag(mag["mag"]) for mag in wanted[name].get("mags", [])]
                for mag in list(opened.get_layer(name).mags):
                    if mag not in kept:
                        opened.get_layer(name).delete_mag(mag)

        def merged(document: dict[str, Any]) -> None:
            own = {layer["name"]: layer for layer in document.get("dataLayers", [])}
            for name, layer in wanted.items():
                if name not in own:
                    own[name] = {"name": name, "dataFormat": layer.get("dataFormat", "zarr3"), "mags": []}
                for key in _LAYER_KEYS:
                    if layer.get(key) is not None:
                        own[name][key] = layer[key]
                    elif key in own[name] and key in ("largestSegmentId", "coordinateTransformations"):
                        own[name].pop(key)
                self._keep_attachments(own[name], layer.get("attachments"))
            document["dataLayers"] = list(own.values())
            if source.get("scale") is not None:
                document["scale"] = source["scale"]
            if source.get("defaultViewConfiguration") is not None:
                document["defaultViewConfiguration"] = source["defaultViewConfiguration"]

        self.change_properties(dataset, merged)

    @staticmethod
    def _keep_attachments(own: dict[str, Any], wanted: Mapping[str, Any] | None) -> None:
        """Drop the attachments that a client doesn't list any more."""
        if wanted is None or not own.get("attachments"):
            return
        for key, found in list(own["attachments"].items()):
            listed = wanted.get(key) or []
            names = {each["name"] for each in (listed if isinstance(listed, list) else [listed])}
            if isinstance(found, list):
                own["attachments"][key] = [each for each in found if each["name"] in names]
            elif found["name"] not in names:
                own["attachments"].pop(key)

    def change_properties(self, dataset: Row, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the dataset's properties file, under the lock of the dataset; what doesn't open isn't kept."""
        root = locate(str(self.path(dataset)))
        file = root.child(_PROPERTIES)
        with self._lock, root.lock("properties"):
            before = file.read()
            document = json.loads(before)
            change(document)
            file.write(json.dumps(document, indent=2).encode())
            try:
                for layer in Dataset.open(self.path(dataset), read_only=True).layers.values():
                    layer.bounding_box  # noqa: B018 - raises what is wrong with the layer
            except WkplugError as error:
                file.write(before)
                raise InvalidArgumentError(
                    f"That is no description of a dataset: {error.message}", hint="Nothing was changed."
                ) from error
        self.forget(dataset["id"])

    # --- layers, mags and attachments of other datasets -------------------------------------------------------

    def link_layer(self, dataset: Row, source: Row, layer: str, name: str) -> None:
        """Add a layer that refers to one of another dataset."""
        other = Dataset.open(self.path(source), read_only=True)
        if layer not in other.layers:
            raise LayerNotFoundError(f"The dataset {source['name']!r} has no layer {layer!r}.")
        Dataset.open(self.path(dataset)).add_layer_as_ref(other.get_layer(layer), name)
        self.forget(dataset["id"])

    def list_mag(self, dataset: Row, layer: str, entry: Mapping[str, Any], path: str) -> None:
        """List a mag whose files are in the dataset's folder."""

        def add(document: dict[str, Any]) -> None:
            found = _layer(document, layer)
            mag = list(Mag(entry["mag"]).to_tuple())
            if any(Mag(each["mag"]) == Mag(mag) for each in found.setdefault("mags", [])):
                raise MagExistsError(f"The layer {layer!r} has the mag {Mag(mag)} already.")
            kept = {key: entry[key] for key in ("axisOrder", "channelIndex") if entry.get(key) is not None}
            found["mags"].append({"mag": mag, "path": path, **kept})
            found["mags"].sort(key=lambda each: Mag(each["mag"]))

        self.change_properties(dataset, add)

    def list_attachment(
        self, dataset: Row, layer: str, kind: str, entry: Mapping[str, Any], path: str
    ) -> None:
        """List an attachment whose files are in the dataset's folder."""
        key = ATTACHMENTS.get(kind, kind)

        def add(document: dict[str, Any]) -> None:
            own = _layer(document, layer).setdefault("attachments", {})
            added = {"name": entry["name"], "path": path, "dataFormat": entry["dataFormat"]}
            if kind in SINGLE_ATTACHMENTS:
                if own.get(key):
                    raise InvalidArgumentError(f"The layer {layer!r} has its {kind} already.")
                own[key] = added
            elif any(each["name"] == entry["name"] for each in own.setdefault(key, [])):
                raise InvalidArgumentError(f"The layer {layer!r} has a {kind} {entry['name']!r} already.")
            else:
                own[key].append(added)

        self.change_properties(dataset, add)


def _layer(document: dict[str, Any], name: str) -> dict[str, Any]:
    for layer in document.get("dataLayers", []):
        if layer["name"] == name:
            found: dict[str, Any] = layer
            return found
    raise LayerNotFoundError(f"There is no layer {name!r}.")


def team_json(team: Row) -> dict[str, Any]:
    """The object of a team."""
    return {
        "id": team["id"],
        "name": team["name"],
        "organization": ORGANIZATION,
        "isOrganizationTeam": bool(team["is_everybody"]),
    }
