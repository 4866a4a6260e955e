"""A small WEBKNOSSOS server in memory and a folder: uploads, users, teams, folders, tokens, sharing.

It answers what clients of the versions 13 to 16 ask, as the real one does, where that is known; what it is asked for is
recorded. `refuse` lets a test answer in its place, or break off.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import socket
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import attrs
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from wkplug_server import zarr_streams
from wkplug_server.catalogue import Shared

import wkplug as wk
from wkplug.errors import WkplugError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.requests import Request

__all__ = ["Hub"]

ORGANIZATION = "Lab"
ADMIN, GUEST = "admin-tok_en", "guest-tok_en"
_VERSIONED = re.compile(r"^/(api|data)/v(\d+)(/.*)$")


class Refused(Exception):  # noqa: N818 - what is answered
    """An answer that isn't the one that was hoped for."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def new_id() -> str:
    return secrets.token_hex(12)


@attrs.define
class Upload:
    """What was announced, and what has come of it."""

    facts: dict[str, Any]
    folder: Path
    chunks: dict[str, set[int]] = attrs.field(factory=dict)
    totals: dict[str, int] = attrs.field(factory=dict)


class Hub:
    """The server; a context manager. versions: the oldest and the newest that it speaks."""

    def __init__(self, folder: Path, versions: tuple[int, int] = (5, 16)) -> None:
        self.folder, self.newest = folder, versions
        self.reset()
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        app = Starlette(
            routes=[
                Route("/{path:path}", self._answer, methods=["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"])
            ]
        )
        self._server = uvicorn.Server(
            uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=1)
        )

    def reset(self) -> None:
        """Forget everything, as if it were new."""
        self.versions = self.newest
        self.requests: list[str] = []
        self.refuse: Callable[[str, str], Response | None] = lambda method, path: None
        self.root = {"id": new_id(), "name": "Datasets", "parent": None, "metadata": [], "allowedTeams": []}
        self.folders: dict[str, dict[str, Any]] = {self.root["id"]: self.root}
        self.teams: dict[str, dict[str, Any]] = {}
        self.datasets: dict[str, dict[str, Any]] = {}
        self.sharing: dict[str, str] = {}
        self.uploads: dict[str, Upload] = {}
        self.links: dict[str, str] = {}
        self.users = {token: self._user(token, admin=token == ADMIN) for token in (ADMIN, GUEST)}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True
        )
        self._thread.start()
        while not self._server.started:
            time.sleep(0.002)
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()

    def counted(self) -> dict[str, int]:
        """The requests so far by kind, with ids and numbers taken out; forgets them."""
        kinds = Counter(re.sub(r"[0-9a-f]{24}", "ID", line.partition("?")[0]) for line in self.requests)
        self.requests.clear()
        return dict(kinds)

    # --- a request -----------------------------------------------------------------------------------------

    async def _answer(self, request: Request) -> Response:
        path = request.url.path
        with self._lock:
            self.requests.append(
                f"{request.method} {path}" + (f"?{request.url.query}" if request.url.query else "")
            )
        given = self.refuse(request.method, path)
        if given is not None:
            return given
        body = await request.body()
        try:
            return await run_in_threadpool(self._routed, request, body)
        except Refused as error:
            return JSONResponse({"messages": [{"error": str(error)}]}, error.status)
        except (FileNotFoundError, WkplugError, KeyError) as error:
            return JSONResponse(
                {"messages": [{"error": f"Couldn't find the requested resource. {error}"}]}, 404
            )

    def _routed(self, request: Request, body: bytes) -> Response:
        path, version = request.url.path, self.versions[1]
        if path == "/api/buildinfo":
            assert "x-auth-token" not in request.headers
            versions = {"oldestSupportedApiVersion": self.versions[0], "currentApiVersion": self.versions[1]}
            return JSONResponse({"webknossos": {"version": "hub"}, "httpApiVersioning": versions})
        found = _VERSIONED.match(path)
        if found is not None:
            version, path = int(found[2]), f"/{found[1]}{found[3]}"
            if not self.versions[0] <= version <= self.versions[1]:
                raise Refused(
                    f"This WEBKNOSSOS instance does not support the requested HTTP API version {version}."
                )
        call = _Call(self, request, body, version)
        for method, pattern, name in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match is not None and request.method == method:
                answer = getattr(call, name)(*match.groups())
                return (
                    answer
                    if isinstance(answer, Response)
                    else JSONResponse(answer)
                    if answer is not None
                    else Response()
                )
        raise Refused(f"There is no {request.method} {path}", 404)

    # --- state ---------------------------------------------------------------------------------------------

    def _user(self, token: str, *, admin: bool) -> dict[str, Any]:
        return {
            "id": new_id(), "email": f"{token[:5]}@example.com", "firstName": token[:5].title(), "lastName": "Lab",
            "isAdmin": admin, "isOrganizationOwner": admin, "isDatasetManager": admin, "isActive": True, "teams": [],
            "experiences": {"em": 3}, "lastActivity": 1_700_000_000_000, "created": 1_600_000_000_000,
            "organization": ORGANIZATION,
        }  # fmt: skip

    def store(self) -> dict[str, Any]:
        return {"name": "localhost", "url": self.url, "allowsUpload": True, "jobsEnabled": False}

    def place(self, key: str) -> Path:
        return self.folder / "binaryData" / ORGANIZATION / str(self.datasets[key]["directoryName"])

    def add_dataset(
        self, name: str, source: dict[str, Any], *, key: str | None = None, folder: str | None = None
    ) -> str:
        key = key or new_id()
        source = {**source, "id": {"name": f"{name}-{key}", "team": ORGANIZATION}}
        self.datasets[key] = {
            "id": key, "name": name, "directoryName": f"{name}-{key}", "dataSource": source, "dataStore": self.store(),
            "owningOrganization": ORGANIZATION, "allowedTeams": [], "allowedTeamsCumulative": [], "isActive": True,
            "isPublic": False, "description": None, "created": 1_764_521_111_000, "isEditable": True, "metadata": [],
            "tags": [], "folderId": folder or self.root["id"], "usedStorageBytes": 12, "isVirtual": False,
        }  # fmt: skip
        return key


class _Call:
    """One request: who asks for what, in which version."""

    def __init__(self, hub: Hub, request: Request, body: bytes, version: int) -> None:
        self.hub, self.version, self.body = hub, version, body
        self.query, self.headers = request.query_params, request.headers
        self.user = hub.users.get(self.headers.get("x-auth-token", ""))

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def _needs_user(self) -> dict[str, Any]:
        if self.user is None:
            raise Refused("You have to be logged in.", 401)
        return self.user

    def _may_see(self, key: str) -> bool:
        record = self.hub.datasets[key]
        teams = {team["id"] for team in (self.user or {}).get("teams", [])}
        token = self.query.get("sharingToken") or self.query.get("token") or self.headers.get("x-auth-token")
        return (
            record["isPublic"]
            or bool(self.user and self.user["isAdmin"])
            or any(team["id"] in teams for team in record["allowedTeams"])
            or (token is not None and token == self.hub.sharing.get(key))
        )

    def _seen(self, key: str) -> dict[str, Any]:
        if key not in self.hub.datasets or not self._may_see(key):
            raise Refused(f"Dataset {key} does not exist or could not be accessed. Consider logging in.", 404)
        return self.hub.datasets[key]

    def _editable(self, key: str) -> dict[str, Any]:
        user, record = self._needs_user(), self._seen(key)
        if not user["isAdmin"]:
            raise Refused("You are not allowed to edit this dataset", 403)
        return record

    def _shown(self, record: dict[str, Any]) -> dict[str, Any]:
        shown = json.loads(json.dumps(record))
        for layer in shown["dataSource"].get("dataLayers", []):
            for mag in layer["mags"]:
                mag["path"] = str(self.hub.place(record["id"]) / mag["path"])
        return shown if self.version >= 15 else _without_envelopes(shown)

    # --- users, teams, folders -----------------------------------------------------------------------------

    def get_user(self) -> Any:
        return self._needs_user()

    def get_users(self) -> Any:
        self._needs_user()
        return list(self.hub.users.values())

    def get_user_by_id(self, key: str) -> Any:
        self._needs_user()
        return (
            next(user for user in self.hub.users.values() if user["id"] == key)
            if any(user["id"] == key for user in self.hub.users.values())
            else _missing("User")
        )

    def change_user(self, key: str) -> Any:
        user = self.get_user_by_id(key)
        user.update({name: self.json[name] for name in ("teams", "isActive", "isAdmin", "isDatasetManager")})
        return user

    def logged_time(self, key: str) -> Any:
        return {"loggedTime": [{"paymentInterval": {"month": 11, "year": 2026}, "durationInSeconds": 90}]}

    def get_teams(self) -> Any:
        self._needs_user()
        return list(self.hub.teams.values())

    def add_team(self) -> Any:
        self._needs_user()
        team = {"id": new_id(), "name": self.json["name"], "organization": ORGANIZATION}
        self.hub.teams[team["id"]] = team
        return {**team, "messages": [{"success": "Team was created successfully"}]}

    def delete_team(self, key: str) -> Any:
        del self.hub.teams[key]
        return {"messages": [{"success": "team.deleted"}]}

    def get_stores(self) -> Any:
        return [{**self.hub.store(), "allowsUpload": False}, self.hub.store()]

    def get_root(self) -> Any:
        return self.hub.root

    def get_tree(self) -> Any:
        self._needs_user()
        return list(self.hub.folders.values())

    def add_folder(self) -> Any:
        parent, name = self.query["parentId"], self.query["name"]
        if any(one["parent"] == parent and one["name"] == name for one in self.hub.folders.values()):
            raise Refused(f"There is already a folder {name}")
        folder = {"id": new_id(), "name": name, "parent": parent, "metadata": [], "allowedTeams": []}
        self.hub.folders[folder["id"]] = folder
        return folder

    def get_folder(self, key: str) -> Any:
        return self.hub.folders[key]

    def change_folder(self, key: str) -> Any:
        teams = [self.hub.teams[team] for team in self.json["allowedTeams"]]
        self.hub.folders[key].update({**self.json, "allowedTeams": teams})
        return self.hub.folders[key]

    def move_folder(self, key: str) -> Any:
        self.hub.folders[key]["parent"] = self.query["newParentId"]
        return self.hub.folders[key]

    def delete_folder(self, key: str) -> Any:
        if any(one["parent"] == key for one in self.hub.folders.values()) or any(
            one["folderId"] == key for one in self.hub.datasets.values()
        ):
            raise Refused("The folder is not empty")
        del self.hub.folders[key]

    def get_link(self, key: str) -> Any:
        return {"longLink": self.hub.links[key]}

    # --- datasets ------------------------------------------------------------------------------------------

    def list_datasets(self) -> Any:
        words, folder = self.query.get("searchQuery", "").lower(), self.query.get("folderId")
        found = [
            record
            for key, record in self.hub.datasets.items()
            if self._may_see(key) and words in record["name"].lower() and folder in (None, record["folderId"])
        ]
        names = (
            "id",
            "name",
            "owningOrganization",
            "folderId",
            "isActive",
            "directoryName",
            "created",
            "tags",
        )
        if self.version >= 16 or self.query.get("compact") == "true":
            return [{name: record[name] for name in names} for record in found]
        return [self._shown(record) for record in found]

    def get_dataset(self, key: str) -> Any:
        return self._shown(self._seen(key))

    def change_facts(self, key: str) -> Any:
        return self.change_dataset(
            key, {name: value for name, value in self.json.items() if name != "dataSource"}
        )

    def change_dataset(self, key: str, new: dict[str, Any] | None = None) -> Any:
        record, new = self._editable(key), self.json if new is None else new
        for name in ("description", "name", "isPublic", "tags", "metadata", "folderId"):
            if name in new:
                record[name] = new[name]
        if "metadata" in new and len({one["key"] for one in new["metadata"]}) < len(new["metadata"]):
            raise Refused("Duplicate metadata keys")
        if "dataSource" in new:
            self._change_source(record, new)
        return self._shown(record)

    def _change_source(self, record: dict[str, Any], new: dict[str, Any]) -> None:
        old = {layer["name"]: layer for layer in record["dataSource"]["dataLayers"]}
        back = {one["newName"]: one["oldName"] for one in new.get("layerRenamings", [])}
        layers = []
        for layer in new["dataSource"]["dataLayers"]:
            known = old.get(back.get(layer["name"], layer["name"]), {"mags": []})
            kept = [tuple(mag["mag"]) for mag in layer["mags"]]
            mags = [mag for mag in known["mags"] if tuple(mag["mag"]) in kept]  # paths are never the client's
            changed = {**layer, "mags": mags, "resolutions": [mag["mag"] for mag in mags]}
            attachments = self._kept_attachments(known, layer, new.get("attachmentRenamings", []))
            changed.pop("attachments", None)
            layers.append({**changed, **({"attachments": attachments} if attachments else {})})
        known_id = record["dataSource"]["id"]
        record["dataSource"] = {**new["dataSource"], "id": known_id, "dataLayers": layers}
        self._write_source(record["id"])

    @staticmethod
    def _kept_attachments(
        known: dict[str, Any], layer: dict[str, Any], renamed: list[dict[str, str]]
    ) -> dict[str, Any]:
        kinds = {"mesh": "meshes", "agglomerate": "agglomerates"}
        back = {
            (kinds[one["attachmentType"]], one["newName"]): one["oldName"]
            for one in renamed
            if one["layerName"] == layer["name"]
        }
        result: dict[str, Any] = {}
        for kind, entries in (layer.get("attachments") or {}).items():
            old = {one["name"]: one for one in known.get("attachments", {}).get(kind, [])}
            names = [(one["name"], back.get((kind, one["name"]), one["name"])) for one in entries]
            result[kind] = [{**old[before], "name": name} for name, before in names if before in old]
        return result

    def compose_layer(self, key: str) -> Any:
        wanted, layers = self.json, self._editable(key)["dataSource"]["dataLayers"]
        layers.append({**self._linked(wanted), "name": wanted["targetLayerName"]})

    def _linked(self, wanted: dict[str, Any]) -> dict[str, Any]:
        source = self.hub.datasets[wanted["sourceDatasetId"]]["dataSource"]["dataLayers"]
        layer = json.loads(
            json.dumps(next(one for one in source if one["name"] == wanted["sourceLayerName"]))
        )
        place = self.hub.place(wanted["sourceDatasetId"])
        for entry in [
            *layer["mags"],
            *(one for kind in layer.get("attachments", {}).values() for one in kind),
        ]:
            entry["path"] = str(place / entry["path"])
        return layer

    def _layer(self, key: str, name: str) -> dict[str, Any]:
        return next(one for one in self._editable(key)["dataSource"]["dataLayers"] if one["name"] == name)

    def compose_mag(self, key: str) -> Any:
        wanted = self.json
        mag = next(one for one in self._linked(wanted)["mags"] if one["mag"] == wanted["sourceMag"])
        self._layer(key, wanted["targetLayerName"])["mags"].append({**mag, "mag": wanted["targetMag"]})

    def compose_attachment(self, key: str) -> Any:
        wanted = self.json
        kind = {"mesh": "meshes", "agglomerate": "agglomerates"}[wanted["attachmentType"]]
        entries = self._linked(wanted)["attachments"][kind]
        found = next(one for one in entries if one["name"] == wanted["sourceAttachmentName"])
        target = (
            self._layer(key, wanted["targetLayerName"]).setdefault("attachments", {}).setdefault(kind, [])
        )
        target.append({**found, "name": wanted["targetAttachmentName"]})

    def reserve_mag_path(self, key: str) -> Any:
        wanted = self.json
        path = f"./{wanted['layerName']}/{wk.Mag(wanted['mag']).to_layer_name()}__{new_id()[:12]}"
        self._editable(key)["pendingMag"] = {
            "mag": wanted["mag"],
            "path": path,
            "axisOrder": wanted["axisOrder"],
        }
        return str(self.hub.place(key) / path)

    def finish_mag_path(self, key: str) -> Any:
        mag = self._editable(key).pop("pendingMag")
        self._layer(key, self.json["layerName"])["mags"].append(mag)
        self._write_source(key)

    def mesh(self, key: str, layer: str) -> Any:
        self._readable(key)
        return Response(b"solid " + self.body)

    def change_teams(self, key: str) -> Any:
        record = self._editable(key)
        record["allowedTeams"] = [self.hub.teams[team] for team in self.json]
        return self.json

    def delete_dataset(self, key: str) -> Any:
        self._editable(key)
        shutil.rmtree(self.hub.place(key), ignore_errors=True)
        del self.hub.datasets[key]

    def share(self, key: str) -> Any:
        self._editable(key)
        return {"sharingToken": self.hub.sharing.setdefault(key, f"-{secrets.token_urlsafe(14)}-_")}

    def is_valid_name(self, name: str) -> Any:
        if not re.fullmatch(r"[A-Za-z0-9_\-.]{3,}", name) or name.startswith("."):
            return {"isValid": False, "errors": "Dataset name is invalid"}
        return {"isValid": True}

    def disambiguate(self, organization: str, name: str) -> Any:
        for key, record in self.hub.datasets.items():
            if (
                organization == ORGANIZATION
                and name in (record["name"], record["directoryName"])
                and self._may_see(key)
            ):
                return {"id": key, "name": record["name"], "organization": organization}
        raise Refused("Dataset could not be found", 404)

    def explore(self) -> Any:
        self._needs_user()
        wanted = self.json
        explored = wk.Dataset.explore(wanted["remoteUri"]).open(voxel_size=(1, 1, 1))
        source = dict(explored.state.store.document)
        folder = wanted.get("folderId") or self.hub.root["id"]
        return self.hub.add_dataset(wanted["datasetName"], json.loads(json.dumps(source)), folder=folder)

    def reload(self, organization: str, key: str) -> Any:
        self._editable(key)
        return self.hub.datasets[key]["dataSource"]

    # --- files ---------------------------------------------------------------------------------------------

    def _readable(self, key: str) -> Path:
        if key not in self.hub.datasets or not self._may_see(key):
            raise Refused("Forbidden: No read access on dataset", 403)
        return self.hub.place(key)

    def zarr(self, key: str, path: str) -> Any:
        shared = Shared(wk.Dataset.open(self._readable(key)), key, key)
        data = zarr_streams.voxels(shared, path)
        return (
            JSONResponse(zarr_streams.document(shared, path, version=2)) if data is None else Response(data)
        )

    def proxied_properties(self, key: str) -> Any:
        self._readable(key)
        source = self._shown(self.hub.datasets[key])["dataSource"]
        for layer in source["dataLayers"]:
            for mag in layer["mags"]:
                mag["path"] = f"./layers/{layer['name']}/mags/{wk.Mag(mag['mag']).to_layer_name()}"
        return source

    def proxy_mag(self, key: str, layer: str, mag: str, path: str) -> Any:
        place = self._readable(key)
        entry = next(
            one for one in self.hub.datasets[key]["dataSource"]["dataLayers"] if one["name"] == layer
        )
        found = next(one for one in entry["mags"] if wk.Mag(one["mag"]) == wk.Mag(mag))
        return self._file(place / found["path"] / path)

    def proxy_attachment(self, key: str, layer: str, kind: str, name: str, path: str) -> Any:
        place = self._readable(key)
        entry = next(
            one for one in self.hub.datasets[key]["dataSource"]["dataLayers"] if one["name"] == layer
        )
        entries = entry["attachments"][kind]
        found = next(
            one for one in (entries if isinstance(entries, list) else [entries]) if one["name"] == name
        )
        return self._file(place / found["path"] / path.lstrip("/"))

    def _file(self, place: Path) -> Response:
        if not place.is_file():
            raise Refused("File not found", 404)
        data = place.read_bytes()
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("range", ""))
        if wanted is None:
            return Response(data)
        first = int(wanted[1]) if wanted[1] else max(0, len(data) - int(wanted[2]))
        stop = min(int(wanted[2]) + 1, len(data)) if wanted[1] and wanted[2] else len(data)
        headers = {"content-range": f"bytes {first}-{stop - 1}/{len(data)}"}
        return Response(data[first:stop], 206, headers=headers)

    # --- uploads -------------------------------------------------------------------------------------------

    def reserve(self, domain: str = "dataset") -> Any:
        if not self._needs_user()["isAdmin"]:
            raise Refused("You are not allowed to administrate datasets", 403)
        facts = self.json
        info = facts.get("resumableUploadInfo", facts)  # before version 14 it was one level
        if (self.version >= 14) != ("resumableUploadInfo" in facts):
            raise Refused(f"obj.resumableUploadInfo is for version 14 and later, not for {self.version}")
        if info["uploadId"] not in self.hub.uploads:
            folder = self.hub.folder / "uploads" / info["uploadId"]
            folder.mkdir(parents=True)
            self.hub.uploads[info["uploadId"]] = Upload({**facts, **info, "domain": domain}, folder)

    def _upload(self, identifier: str) -> tuple[Upload, str]:
        key, _, path = identifier.partition("/")
        if key not in self.hub.uploads:
            raise Refused("Unknown upload id")
        if not path or ".." in path.split("/") or path.startswith("/"):
            raise Refused("Path leads out of the upload")
        return self.hub.uploads[key], path

    def has_chunk(self, domain: str = "dataset") -> Any:
        upload, path = self._upload(self.query["resumableIdentifier"])
        there = int(self.query["resumableChunkNumber"]) in upload.chunks.get(path, set())
        return Response(status_code=200 if there else 204)

    def chunk(self, domain: str = "dataset") -> Any:
        fields, data = _multipart(self.headers["content-type"], self.body)
        upload, path = self._upload(fields["resumableIdentifier"])
        number, size = int(fields["resumableChunkNumber"]), int(fields["resumableChunkSize"])
        if len(data) != int(fields["resumableCurrentChunkSize"]) or not data:
            raise Refused("Chunk size mismatch")
        with self.hub._lock:
            file = upload.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("r+b" if file.exists() else "wb") as stream:
                stream.seek((number - 1) * size)
                stream.write(data)
            upload.chunks.setdefault(path, set()).add(number)
            upload.totals[path] = int(fields["resumableTotalChunks"])

    def finish(self, domain: str = "dataset") -> Any:
        key = self.query.get("uploadId") or (self.json if self.body else {}).get("uploadId")
        if key not in self.hub.uploads:
            raise Refused("Unknown upload id")
        upload = self.hub.uploads[key]
        complete = all(len(upload.chunks[path]) == total for path, total in upload.totals.items())
        if not complete or len(upload.totals) != upload.facts["totalFileCount"]:
            raise Refused("Upload is not complete: some chunks or files are missing")
        bytes_ = sum(file.stat().st_size for file in upload.folder.rglob("*") if file.is_file())
        if bytes_ != upload.facts["totalFileSizeInBytes"]:
            raise Refused("Upload is larger than announced")
        del self.hub.uploads[key]
        add = {"mag": self._add_mag, "attachment": self._add_attachment, "dataset": self._add}[
            upload.facts["domain"]
        ]
        made = add(upload)
        return {"datasetId" if self.version >= 14 else "newDatasetId": made}

    def _add(self, upload: Upload) -> str:
        facts = upload.facts
        source = json.loads((upload.folder / "datasource-properties.json").read_text())
        key = self.hub.add_dataset(
            facts.get("datasetName", facts.get("name")), source, folder=facts.get("folderId")
        )
        place = self.hub.place(key)
        place.parent.mkdir(parents=True, exist_ok=True)
        upload.folder.rename(place)
        record = self.hub.datasets[key]
        teams = facts.get("initialTeamIds") or facts.get("initialTeams") or []
        record["allowedTeams"] = [self.hub.teams[team] for team in teams]
        for link in facts.get("layersToLink") or []:
            linked = self.hub.datasets[link["datasetId"]]["dataSource"]["dataLayers"]
            layer = json.loads(json.dumps(next(one for one in linked if one["name"] == link["layerName"])))
            for mag in layer["mags"]:
                mag["path"] = str(self.hub.place(link["datasetId"]) / mag["path"])
            record["dataSource"]["dataLayers"].append(
                {**layer, "name": link.get("newLayerName") or layer["name"]}
            )
        return key

    def _add_mag(self, upload: Upload) -> str:
        facts = upload.facts
        record = self.hub.datasets[facts["datasetId"]]
        layer = next(one for one in record["dataSource"]["dataLayers"] if one["name"] == facts["layerName"])
        mag = facts["mag"]["mag"]
        path = f"./{layer['name']}/{wk.Mag(mag).to_layer_name()}__{new_id()[:12]}"
        place = self.hub.place(facts["datasetId"]) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        upload.folder.rename(place)
        layer["mags"].append({"mag": mag, "path": path, "axisOrder": facts["mag"]["axisOrder"]})
        self._write_source(facts["datasetId"])
        return str(facts["datasetId"])

    def _add_attachment(self, upload: Upload) -> str:
        facts = upload.facts
        kind = {"mesh": "meshes", "agglomerate": "agglomerates"}[facts["attachmentType"]]
        attachment = facts["attachment"]
        path = f"./{facts['layerName']}/{kind}/{attachment['name']}__{new_id()[:12]}"
        place = self.hub.place(facts["datasetId"]) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        upload.folder.rename(place)
        files = list(place.iterdir())
        path = f"{path}/{files[0].name}" if attachment["dataFormat"] == "hdf5" else path
        entry = {"name": attachment["name"], "path": path, "dataFormat": attachment["dataFormat"]}
        layer = next(
            one
            for one in self.hub.datasets[facts["datasetId"]]["dataSource"]["dataLayers"]
            if one["name"] == facts["layerName"]
        )
        layer.setdefault("attachments", {}).setdefault(kind, []).append(entry)
        return str(facts["datasetId"])

    def _write_source(self, key: str) -> None:
        file = self.hub.place(key) / "datasource-properties.json"
        if not file.parent.exists():
            return  # its data are elsewhere
        file.write_text(json.dumps(self.hub.datasets[key]["dataSource"]))

    # --- uploads by copies ---------------------------------------------------------------------------------

    def reserve_paths(self, key: str | None = None) -> Any:
        self._needs_user()
        facts = self.json
        if key is None:
            key = self.hub.add_dataset(
                facts["datasetName"], facts["dataSource"], folder=facts.get("folderId")
            )
        source = json.loads(json.dumps(facts["dataSource"]))
        for layer in source["dataLayers"]:
            for mag in layer["mags"]:
                mag["path"] = str(self.hub.place(key) / layer["name"] / wk.Mag(mag["mag"]).to_layer_name())
        record = self.hub.datasets[key]
        record["pending"] = {**source, "id": record["dataSource"]["id"]}
        record["dataSource"] = {"id": record["dataSource"]["id"], "status": "Not yet fully uploaded."}
        return {"newDatasetId": key, "dataSource": source}

    def finish_paths(self, key: str) -> Any:
        record = self.hub.datasets[key]
        record["dataSource"] = record.pop("pending")


def _missing(what: str) -> Any:
    raise Refused(f"{what} could not be found", 404)


def _without_envelopes(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get("customJsonEncoding") == "bigint":
            return int(value["value"])
        return {key: _without_envelopes(item) for key, item in value.items()}
    return [_without_envelopes(item) for item in value] if isinstance(value, list) else value


def _multipart(kind: str, body: bytes) -> tuple[dict[str, str], bytes]:
    boundary = b"--" + kind.partition("boundary=")[2].strip('"').encode()
    fields, data = {}, b""
    for part in body.split(boundary)[1:-1]:
        head, _, content = part[2:-2].partition(b"\r\n\r\n")
        name = re.search(rb'name="([^"]*)"', head)
        assert name is not None
        if name[1] == b"file":
            data = content
        else:
            fields[name[1].decode()] = content.decode()
    return fields, data


_ID = r"([0-9a-f]{24})"
_ROUTES = (
    ("GET", "/api/user", "get_user"),
    ("GET", "/api/users", "get_users"),
    ("GET", f"/api/users/{_ID}", "get_user_by_id"),
    ("PATCH", f"/api/users/{_ID}", "change_user"),
    ("GET", f"/api/users/{_ID}/loggedTime", "logged_time"),
    ("GET", "/api/teams", "get_teams"),
    ("POST", "/api/teams", "add_team"),
    ("DELETE", f"/api/teams/{_ID}", "delete_team"),
    ("GET", "/api/datastores", "get_stores"),
    ("GET", "/api/folders/root", "get_root"),
    ("GET", "/api/folders/tree", "get_tree"),
    ("POST", "/api/folders/create", "add_folder"),
    ("GET", f"/api/folders/{_ID}", "get_folder"),
    ("PUT", f"/api/folders/{_ID}", "change_folder"),
    ("PUT", f"/api/folders/{_ID}/move", "move_folder"),
    ("DELETE", f"/api/folders/{_ID}", "delete_folder"),
    ("GET", "/api/shortLinks/byKey/([^/]+)", "get_link"),
    ("GET", "/api/datasets", "list_datasets"),
    ("GET", f"/api/datasets/{_ID}", "get_dataset"),
    ("PATCH", f"/api/datasets/{_ID}", "change_facts"),
    ("PATCH", f"/api/datasets/{_ID}/updatePartial", "change_dataset"),
    ("PATCH", f"/api/datasets/{_ID}/teams", "change_teams"),
    ("DELETE", f"/api/datasets/{_ID}", "delete_dataset"),
    ("GET", f"/api/datasets/{_ID}/sharingToken", "share"),
    ("GET", "/api/datasets/([^/]+)/isValidNewName", "is_valid_name"),
    ("GET", "/api/datasets/disambiguate/([^/]+)/([^/]+)/toId", "disambiguate"),
    ("POST", "/api/datasets/exploreAndAddRemote", "explore"),
    ("POST", "/api/datasets/reserveUploadToPaths", "reserve_paths"),
    ("POST", f"/api/datasets/{_ID}/reserveUploadToPathsForPreliminary", "reserve_paths"),
    ("POST", f"/api/datasets/{_ID}/finishUploadToPaths", "finish_paths"),
    ("POST", f"/api/datasets/{_ID}/compose/addLayer", "compose_layer"),
    ("POST", f"/api/datasets/{_ID}/compose/addMag", "compose_mag"),
    ("POST", f"/api/datasets/{_ID}/compose/addAttachment", "compose_attachment"),
    ("POST", f"/api/datasets/{_ID}/reserveMagUploadToPath", "reserve_mag_path"),
    ("POST", f"/api/datasets/{_ID}/finishMagUploadToPath", "finish_mag_path"),
    ("POST", f"/data/datasets/{_ID}/layers/([^/]+)/meshes/fullMesh.stl", "mesh"),
    ("POST", f"/data/triggers/reload/([^/]+)/{_ID}", "reload"),
    ("GET", f"/data/zarr/{_ID}/(.+)", "zarr"),
    ("GET", f"/data/datasets/{_ID}/proxy/datasource-properties.json", "proxied_properties"),
    ("HEAD", f"/data/datasets/{_ID}/proxy/datasource-properties.json", "proxied_properties"),
    ("HEAD", f"/data/zarr/{_ID}/(.+)", "zarr"),
    ("GET", f"/data/datasets/{_ID}/proxy/layers/([^/]+)/mags/([^/]+)/(.+)", "proxy_mag"),
    ("GET", f"/data/datasets/{_ID}/proxy/layers/([^/]+)/attachments/([^/]+)/([^/]+)(.*)", "proxy_attachment"),
    ("POST", "/data/datasets/upload/(dataset|mag|attachment)/reserveUpload", "reserve"),
    ("POST", "/data/datasets/upload/(dataset|mag|attachment)/finishUpload", "finish"),
    ("GET", "/data/datasets/upload/(dataset|mag|attachment)", "has_chunk"),
    ("POST", "/data/datasets/upload/(dataset|mag|attachment)", "chunk"),
    ("POST", "/data/datasets/reserveUpload", "reserve"),
    ("POST", "/data/datasets/finishUpload", "finish"),
    ("GET", "/data/datasets", "has_chunk"),
    ("POST", "/data/datasets", "chunk"),
)
