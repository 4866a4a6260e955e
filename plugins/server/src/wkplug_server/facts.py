"""Datasets as the JSON that WEBKNOSSOS' clients read: the properties of streams, and the answers of its API."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from wkplug.geometry import Mag

if TYPE_CHECKING:
    from collections.abc import Callable

    from wkplug_server.catalogue import Shared

__all__ = ["ORGANIZATION", "dataset_json", "mag_entry", "properties_json", "proxied_mag_entry", "source_json"]

ORGANIZATION = "shared"
"""All that is shared belongs to one organization of this name."""

TEAM = {"id": "5" * 24, "name": "Default", "organization": ORGANIZATION, "isOrganizationTeam": True}

FOLDER = {
    "id": "0" * 24,
    "name": "Shared",
    "metadata": [],
    "allowedTeams": [TEAM],
    "allowedTeamsCumulative": [TEAM],
    "isEditable": False,
}
"""The one folder, in which everything is that is shared."""

FOLDER_IN_TREE = {
    "id": FOLDER["id"],
    "name": FOLDER["name"],
    "parent": None,
    "metadata": [],
    "isEditable": False,
}

VERSIONS = (13, 16)
"""The oldest and the newest version of WEBKNOSSOS' API that is spoken here."""

BUILD = {
    "webknossos": {"name": "wkplug", "version": "wkplug"},
    "httpApiVersioning": {"currentApiVersion": VERSIONS[1], "oldestSupportedApiVersion": VERSIONS[0]},
    "localDataStoreEnabled": True,
    "localTracingStoreEnabled": False,
}
"""What this server is; asked before anything else."""

USER = {
    "id": "7" * 24,
    "email": "guest@localhost",
    "firstName": "Guest",
    "lastName": "",
    "isAdmin": False,
    "isOrganizationOwner": False,
    "isDatasetManager": False,
    "isActive": True,
    "teams": [{"id": TEAM["id"], "name": TEAM["name"], "isTeamManager": False}],
    "experiences": {},
    "lastActivity": 0,
    "isAnonymous": False,
    "isEditable": False,
    "organization": ORGANIZATION,
    "novelUserExperienceInfos": {},
    "selectedTheme": "auto",
    "created": 0,
    "lastTaskTypeId": None,
    "isSuperUser": False,
    "isEmailVerified": True,
}
"""Whoever knows the token."""


def mag_entry(layer: dict[str, Any], mag: dict[str, Any]) -> dict[str, Any]:
    """The entry of a mag in a Zarr stream: channels first, then further axes, then space."""
    others = len(layer.get("additionalAxes") or [])
    order = {"c": 0, "x": others + 1, "y": others + 2, "z": others + 3}
    name = Mag(mag["mag"]).to_layer_name()
    return {"mag": list(Mag(mag["mag"]).to_tuple()), "path": f"./{layer['name']}/{name}", "axisOrder": order}


def proxied_mag_entry(layer: dict[str, Any], mag: dict[str, Any]) -> dict[str, Any]:
    """The entry of a mag whose files are handed on as they are."""
    name = Mag(mag["mag"]).to_layer_name()
    kept = {
        key: value for key, value in mag.items() if key in ("mag", "axisOrder", "channelIndex", "cubeLength")
    }
    return {**kept, "path": f"./layers/{layer['name']}/mags/{name}"}


def properties_json(
    shared: Shared,
    data_format: str | None,
    entry: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]],
) -> dict[str, Any]:
    """The dataset's properties with the mags of a stream. data_format: None for that of each layer."""
    document = copy.deepcopy(dict(shared.dataset.state.store.document))
    store = shared.dataset.state.store
    layers = []
    for layer in document.get("dataLayers", []):
        if store.layer_problem(layer["name"]) is not None:
            continue
        mags = [entry(layer, mag) for mag in layer.get("mags") or layer.get("wkwResolutions") or []]
        layer.pop("wkwResolutions", None)
        layer["mags"] = mags
        layer["resolutions"] = [mag["mag"] for mag in mags]
        if data_format is not None:
            layer["dataFormat"] = data_format
            for number, axis in enumerate(
                sorted(layer.get("additionalAxes") or [], key=lambda axis: axis.get("index", 0)), start=1
            ):
                axis["index"] = number
        _show_attachments(layer, are_proxied=data_format is None)
        layer.setdefault("numChannels", 3 if layer.get("elementClass") == "uint24" else 1)
        layers.append(layer)
    document["dataLayers"] = layers
    document["id"] = {"name": shared.name, "team": ORGANIZATION}
    return document


def _show_attachments(layer: dict[str, Any], *, are_proxied: bool) -> None:
    """Point to the attachments' files as they are handed on; streams have none."""
    found = layer.pop("attachments", None)
    if not (are_proxied and found):
        return
    layer["attachments"] = {}
    for key, value in found.items():
        each = [
            {**one, "path": f"./layers/{layer['name']}/attachments/{key}/{one['name']}"}
            for one in (value if isinstance(value, list) else [value])
            if isinstance(one, dict) and "name" in one
        ]
        layer["attachments"][key] = each if isinstance(value, list) else each[0]


def source_json(shared: Shared, server: str) -> dict[str, Any]:
    """The properties, with paths of mags that clients reach through this server."""
    source = properties_json(shared, None, proxied_mag_entry)
    for layer in source["dataLayers"]:
        entries = list(layer["mags"])
        for value in layer.get("attachments", {}).values():
            entries += value if isinstance(value, list) else [value]
        for entry in entries:
            path = entry["path"].removeprefix("./")
            entry["path"] = f"{server}/data/datasets/{shared.id}/proxy/{path}"
    return source


def dataset_json(shared: Shared, server: str) -> dict[str, Any]:
    """The object that `GET /datasets/ID` answers with; server: the URL of this one."""
    return {
        "id": shared.id,
        "name": shared.name,
        "directoryName": shared.name,
        "dataSource": source_json(shared, server),
        "dataStore": datastore_json(server),
        "owningOrganization": ORGANIZATION,
        "allowedTeams": [TEAM],
        "allowedTeamsCumulative": [TEAM],
        "isActive": True,
        "isPublic": True,
        "description": None,
        "created": 0,
        "isEditable": False,
        "lastUsedByUser": 0,
        "logoUrl": "",
        "sortingKey": 0,
        "metadata": [],
        "isUnreported": False,
        "tags": [],
        "folderId": FOLDER["id"],
        "usedStorageBytes": 0,
        "isVirtual": False,
    }


def datastore_json(server: str) -> dict[str, Any]:
    """This server as the datastore of all that it shares."""
    return {
        "name": "localhost",
        "url": server,
        "allowsUpload": False,
        "jobsSupportedByAvailableWorkers": [],
        "jobsEnabled": False,
    }


def compact_json(shared: Shared) -> dict[str, Any]:
    """The object that `GET /datasets` lists."""
    layers = list(shared.layers)
    return {
        "id": shared.id,
        "name": shared.name,
        "owningOrganization": ORGANIZATION,
        "folderId": FOLDER["id"],
        "isActive": True,
        "directoryName": shared.name,
        "created": 0,
        "isEditable": False,
        "lastUsedByUser": 0,
        "status": "",
        "tags": [],
        "isUnreported": False,
        "colorLayerNames": [layer.name for layer in layers if layer.category == "color"],
        "segmentationLayerNames": [layer.name for layer in layers if layer.category == "segmentation"],
    }
