"""The paths of a hub: those of a server that shares, and what changes things.

Each answer first asks `rights`. Versions of the API differ in few places, which are marked.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wkplug.errors import InvalidArgumentError, MissingError, WkplugError
from wkplug_server import facts
from wkplug_server.app import Routes, base_url, dataset_id
from wkplug_server.hub import rights
from wkplug_server.hub.database import ORGANIZATION, as_json, new_id
from wkplug_server.hub.datasets import name_problem, team_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from wkplug_server.catalogue import Shared
    from wkplug_server.hub.hub import Hub

__all__ = ["HubRoutes"]

Row = dict[str, Any]

_MOST_JSON = 64 << 20


class HubRoutes(Routes):
    """The answers to all paths, over one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub, self._database = hub, hub.database
        self._datasets, self._uploads = hub.datasets, hub.uploads

    # --- what the paths of sharing need -----------------------------------------------------------------------

    def shared(self, request: Request) -> Shared:
        """The dataset that a path names, opened."""
        return self._datasets.shared(self._readable(request))

    def all_shared(self, request: Request) -> list[Shared]:
        """The datasets that whoever asks may read, as far as they are there."""
        found = []
        for row in self._listed(request):
            with suppress(WkplugError):  # what can't be opened is told where it is asked for by itself
                found.append(self._datasets.shared(row))
        return found

    def _asking(self, request: Request) -> rights.Asking:
        return self._hub.asking(request.scope.get("shared.tokens", ()))

    def _readable(self, request: Request) -> Row:
        return rights.check_read(self._database, self._asking(request), dataset_id(request))

    def _editable(self, request: Request) -> Row:
        return rights.check_edit(self._database, self._asking(request), dataset_id(request))

    def _listed(self, request: Request) -> list[Row]:
        asking = self._asking(request)
        rows = self._database.rows("SELECT * FROM datasets ORDER BY created")
        return [row for row in rows if rights.may_read(self._database, asking, row)]

    def routes(self) -> list[Route]:
        """All paths."""
        own: list[tuple[str, str, Any]] = [
            ("GET", "/api/user", self._user),
            ("GET", "/api/users", self._users),
            ("GET", "/api/users/{id}", self._user_by_id),
            ("GET", "/api/datastores", self._datastores_of_hub),
            ("GET", "/api/tracingstore", self._tracingstore),
            ("GET", "/api/teams", self._teams),
            ("POST", "/api/teams", self._add_team),
            ("DELETE", "/api/teams/{id}", self._delete_team),
            ("GET", "/api/datasets", self._list_datasets),
            ("GET", "/api/datasets/{name}/isValidNewName", self._is_valid_name),
            ("GET", "/api/datasets/disambiguate/{organization}/{name}/toId", self._to_id),
            ("POST", "/api/datasets/exploreAndAddRemote", self._explore_and_add),
            ("GET", "/api/datasets/{id}", self._dataset_json),
            ("PATCH", "/api/datasets/{id}", self._update),
            ("DELETE", "/api/datasets/{id}", self._delete),
            ("PATCH", "/api/datasets/{id}/updatePartial", self._update),
            ("PATCH", "/api/datasets/{id}/teams", self._set_teams),
            ("GET", "/api/datasets/{id}/sharingToken", self._sharing_token),
            ("DELETE", "/api/datasets/{id}/sharingToken", self._revoke),
            ("GET", "/api/datasets/{id}/usedStorageDetails", self._used_storage),
            ("POST", "/api/datasets/{id}/compose/addLayer", self._link_layer),
            ("GET", "/api/folders/root", self._root),
            ("GET", "/api/folders/tree", self._tree),
            ("POST", "/api/folders/create", self._add_folder),
            ("GET", "/api/folders/{id}", self._folder),
            ("PUT", "/api/folders/{id}", self._change_folder),
            ("PUT", "/api/folders/{id}/move", self._move_folder),
            ("DELETE", "/api/folders/{id}", self._delete_folder),
            ("POST", "/data/triggers/reload/{organization}/{id}", self._reload),
            # Before version 14 there were datasets only, and chunks had no version in their path.
            ("POST", "/data/datasets/reserveUpload", self._reserve),
            ("POST", "/data/datasets", self._add_chunk),
            ("GET", "/data/datasets", self._has_chunk),
            ("POST", "/data/datasets/finishUpload", self._finish),
            ("POST", "/data/datasets/cancelUpload", self._cancel),
            ("GET", "/data/datasets/upload/dataset/unfinishedUploads", self._unfinished),
            ("POST", "/data/datasets/upload/{kind}/reserveUpload", self._reserve),
            ("POST", "/data/datasets/upload/{kind}", self._add_chunk),
            ("GET", "/data/datasets/upload/{kind}", self._has_chunk),
            ("POST", "/data/datasets/upload/{kind}/finishUpload", self._finish),
            ("POST", "/data/datasets/upload/{kind}/cancelUpload", self._cancel),
        ]
        routes = [
            Route(path, answer, methods=["GET", "HEAD"] if method == "GET" else [method])
            for method, path, answer in own
        ]
        return routes + super().routes()

    # --- users and teams --------------------------------------------------------------------------------------

    def _user_json(self, user: Row) -> Row:
        teams = [
            {"id": team["id"], "name": team["name"], "isTeamManager": bool(team["is_manager"])}
            for team in self._database.teams_of(user["id"])
        ]
        return {
            **facts.USER,
            "id": user["id"],
            "email": user["email"],
            "firstName": user["first_name"],
            "lastName": user["last_name"],
            "isAdmin": bool(user["is_admin"]),
            "isOrganizationOwner": bool(user["is_admin"]),
            "isDatasetManager": bool(user["is_dataset_manager"]),
            "teams": teams,
            "organization": ORGANIZATION,
            "created": user["created"],
        }

    async def _user(self, request: Request) -> Response:
        return JSONResponse(self._user_json(rights.check_user(self._asking(request))))

    async def _users(self, request: Request) -> Response:
        rights.check_user(self._asking(request))
        return JSONResponse(
            [self._user_json(row) for row in self._database.rows("SELECT * FROM users ORDER BY email")]
        )

    async def _user_by_id(self, request: Request) -> Response:
        rights.check_user(self._asking(request))
        found = self._database.row("SELECT * FROM users WHERE id = ?", request.path_params["id"])
        if found is None:
            raise MissingError(f"There is no user {request.path_params['id']}.")
        return JSONResponse(self._user_json(found))

    async def _datastores_of_hub(self, request: Request) -> Response:
        return JSONResponse([{**facts.datastore_json(base_url(request)), "allowsUpload": True}])

    async def _tracingstore(self, request: Request) -> Response:
        return JSONResponse({"name": "localhost", "url": base_url(request)})

    async def _teams(self, request: Request) -> Response:
        rights.check_user(self._asking(request))
        return JSONResponse(
            [team_json(row) for row in self._database.rows("SELECT * FROM teams ORDER BY name")]
        )

    async def _add_team(self, request: Request) -> Response:
        user = rights.check_admin(self._asking(request))
        name = str((await _json(request)).get("name") or "")
        if not name or self._database.rows("SELECT 1 FROM teams WHERE name = ?", name):
            raise InvalidArgumentError(f"A team can't be called {name!r}: the name is empty, or taken.")
        team = {"id": new_id(), "name": name, "is_everybody": 0}
        with self._database.change():
            self._database.insert("teams", **team)
            self._database.insert("memberships", user=user["id"], team=team["id"], is_manager=1)
        return JSONResponse({**team_json(team), "messages": [{"success": "Team was created successfully"}]})

    async def _delete_team(self, request: Request) -> Response:
        rights.check_admin(self._asking(request))
        if not self._database.execute(
            "DELETE FROM teams WHERE id = ? AND NOT is_everybody", request.path_params["id"]
        ):
            raise MissingError(f"There is no team {request.path_params['id']} that can be deleted.")
        return JSONResponse({"messages": [{"success": "team.deleted"}]})

    # --- datasets ---------------------------------------------------------------------------------------------

    def _full(self, request: Request, row: Row) -> Row:
        editable = rights.may_edit(self._database, self._asking(request), row)
        return self._datasets.to_json(row, base_url(request), is_editable=editable)

    async def _list_datasets(self, request: Request) -> Response:
        query, rows = request.query_params, self._listed(request)
        words = query.get("searchQuery", "").lower().split()
        rows = [row for row in rows if all(word in row["name"].lower() for word in words)]
        if query.get("isActive") is not None:
            rows = [row for row in rows if (not row["status"]) == (query["isActive"] == "true")]
        if query.get("folderId"):
            inside = {query["folderId"]}
            if query.get("includeSubfolders") == "true":
                folders = self._database.rows("SELECT id FROM folders")
                inside = {
                    row["id"] for row in folders if query["folderId"] in self._database.chain(row["id"])
                }
            rows = [row for row in rows if row["folder"] in inside]
        if query.get("uploaderId"):
            rows = [row for row in rows if row["uploader"] == query["uploaderId"]]
        if query.get("organizationId") not in (None, ORGANIZATION):
            rows = []
        if query.get("limit"):
            rows = rows[: int(query["limit"])]
        version = request.scope.get("shared.version") or facts.VERSIONS[1]
        if version < 16 and query.get("compact") != "true":
            return JSONResponse(await run_in_threadpool(lambda: [self._full(request, row) for row in rows]))
        asking = self._asking(request)

        def compact() -> list[Row]:
            return [
                self._datasets.to_compact_json(row, is_editable=rights.may_edit(self._database, asking, row))
                for row in rows
            ]

        return JSONResponse(await run_in_threadpool(compact))

    async def _is_valid_name(self, request: Request) -> Response:
        problem = name_problem(request.path_params["name"])
        return JSONResponse({"isValid": False, "errors": problem} if problem else {"isValid": True})

    async def _to_id(self, request: Request) -> Response:
        name = request.path_params["name"]
        for row in self._listed(request):
            if name in (row["name"], row["directory"]):
                answer = {"id": row["id"], "name": row["name"], "organization": ORGANIZATION}
                return JSONResponse({**answer, "directoryName": row["directory"]})
        raise MissingError(f"There is no dataset {name!r} here.")

    async def _dataset_json(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._full, request, self._readable(request)))

    async def _update(self, request: Request) -> Response:
        row, body = self._editable(request), await _json(request)
        await run_in_threadpool(self._datasets.update, row, body)
        return JSONResponse(await run_in_threadpool(self._full, request, self._datasets.get(row["id"])))

    async def _delete(self, request: Request) -> Response:
        await run_in_threadpool(self._datasets.delete, self._editable(request))
        return Response()

    async def _set_teams(self, request: Request) -> Response:
        row, body = self._editable(request), await _json(request)
        known = {team["id"] for team in self._database.rows("SELECT id FROM teams")}
        if not isinstance(body, list) or not set(body) <= known:
            raise InvalidArgumentError("The request must be a list of ids of teams.")
        self._database.set_teams("dataset", row["id"], body)
        return JSONResponse(body)

    async def _sharing_token(self, request: Request) -> Response:
        rights.check_user(self._asking(request))
        return JSONResponse({"sharingToken": self._datasets.sharing_token(self._readable(request))})

    async def _revoke(self, request: Request) -> Response:
        self._database.update("datasets", self._editable(request)["id"], sharing_token=None)
        return Response()

    async def _used_storage(self, request: Request) -> Response:
        row = self._readable(request)
        size = await run_in_threadpool(self._datasets.size, row)
        entry = {"layerName": "", "name": row["name"], "attachmentType": None, "usedStorageBytes": size}
        return JSONResponse([{**entry, "lastUpdated": row["created"]}])

    async def _link_layer(self, request: Request) -> Response:
        row, body = self._editable(request), await _json(request)
        source = rights.check_read(self._database, self._asking(request), str(body.get("sourceDatasetId")))
        names = body["sourceLayerName"], body["targetLayerName"]
        await run_in_threadpool(self._datasets.link_layer, row, source, *names)
        return Response()

    async def _explore_and_add(self, request: Request) -> Response:
        user, body = rights.check_user(self._asking(request)), await _json(request)
        if body.get("credentialIdentifier") or body.get("credentialSecret"):
            raise InvalidArgumentError(
                "The hub keeps no credentials of its users.",
                hint="Whoever runs it gives it those that it needs.",
            )
        folder = body.get("folderId") or self._folder_at(body.get("folderPath"))
        row = await run_in_threadpool(
            lambda: self._datasets.explore(
                body["remoteUri"], body["datasetName"], uploader=user, folder=folder
            )
        )
        return JSONResponse(row["id"])

    async def _reload(self, request: Request) -> Response:
        row = self._readable(request)
        self._datasets.forget(row["id"])
        full = await run_in_threadpool(self._full, request, row)
        return JSONResponse(full["dataSource"])

    # --- folders ----------------------------------------------------------------------------------------------

    def _folder_at(self, path: str | None) -> str | None:
        """The folder at a path such as "A/B", below the root, which is made where there is none."""
        if not path:
            return None
        folder = self._database.root()["id"]
        names = [name for name in path.split("/") if name]
        if names and names[0] == self._database.root()["name"]:
            names = names[1:]
        with self._database.change():
            for name in names:
                found = self._database.row(
                    "SELECT id FROM folders WHERE parent = ? AND name = ?", folder, name
                )
                key = new_id() if found is None else found["id"]
                if found is None:
                    self._database.insert("folders", id=key, name=name, parent=folder, metadata="[]")
                folder = key
        return str(folder)

    def _folder_row(self, request: Request) -> Row:
        rights.check_user(self._asking(request))
        found = self._database.row("SELECT * FROM folders WHERE id = ?", request.path_params["id"])
        if found is None:
            raise MissingError(f"There is no folder {request.path_params['id']}.")
        return found

    def _folder_json(self, request: Request, row: Row) -> Row:
        user = rights.check_user(self._asking(request))
        around: dict[str, Row] = {}
        for folder in self._database.chain(row["id"]):
            around.update({team["id"]: team for team in self._database.teams_in("folder", folder)})
        return {
            "id": row["id"],
            "name": row["name"],
            "metadata": as_json(row["metadata"]),
            "allowedTeams": [team_json(team) for team in self._database.teams_in("folder", row["id"])],
            "allowedTeamsCumulative": [team_json(team) for team in around.values()],
            "isEditable": bool(user["is_admin"] or user["is_dataset_manager"]),
        }

    async def _root(self, request: Request) -> Response:
        return JSONResponse(self._folder_json(request, self._database.root()))

    async def _tree(self, request: Request) -> Response:
        user = rights.check_user(self._asking(request))
        editable = bool(user["is_admin"] or user["is_dataset_manager"])
        return JSONResponse(
            [
                {**row, "metadata": as_json(row["metadata"]), "isEditable": editable}
                for row in self._database.rows("SELECT * FROM folders")
            ]
        )

    async def _add_folder(self, request: Request) -> Response:
        rights.check_admin(self._asking(request))
        query, key = request.query_params, new_id()
        name = query.get("name", "")
        with self._database.change():
            self._check_folder(name, query.get("parentId"))
            self._database.insert("folders", id=key, name=name, parent=query["parentId"], metadata="[]")
        found = self._database.row("SELECT * FROM folders WHERE id = ?", key) or {}
        return JSONResponse(self._folder_json(request, found))

    def _check_folder(self, name: str, parent: str | None, besides: str = "") -> None:
        if not self._database.rows("SELECT 1 FROM folders WHERE id = ?", parent):
            raise MissingError(f"There is no folder {parent}.")
        taken = "SELECT 1 FROM folders WHERE parent = ? AND name = ? AND id != ?"
        if not name or "/" in name or self._database.rows(taken, parent, name, besides):
            raise InvalidArgumentError(
                f"A folder can't be called {name!r} there: the name is empty, has a slash, or is taken."
            )

    async def _folder(self, request: Request) -> Response:
        return JSONResponse(self._folder_json(request, self._folder_row(request)))

    async def _change_folder(self, request: Request) -> Response:
        rights.check_admin(self._asking(request))
        row, body = self._folder_row(request), await _json(request)
        with self._database.change():
            name = body.get("name", row["name"])
            if row["parent"] is not None:
                self._check_folder(name, row["parent"], besides=row["id"])
            metadata = json.dumps(body["metadata"]) if body.get("metadata") is not None else row["metadata"]
            self._database.update("folders", row["id"], name=name, metadata=metadata)
            if body.get("allowedTeams") is not None:
                self._database.set_teams("folder", row["id"], body["allowedTeams"])
        return JSONResponse(self._folder_json(request, self._folder_row(request)))

    async def _move_folder(self, request: Request) -> Response:
        rights.check_admin(self._asking(request))
        row, target = self._folder_row(request), request.query_params.get("newParentId", "")
        with self._database.change():
            if row["parent"] is None or row["id"] in self._database.chain(target):
                raise InvalidArgumentError("The root can't be moved, nor a folder into itself.")
            self._check_folder(row["name"], target, besides=row["id"])
            self._database.update("folders", row["id"], parent=target)
        return JSONResponse(self._folder_json(request, self._folder_row(request)))

    async def _delete_folder(self, request: Request) -> Response:
        rights.check_admin(self._asking(request))
        row = self._folder_row(request)
        with self._database.change():
            filled = self._database.rows("SELECT 1 FROM folders WHERE parent = ?", row["id"])
            filled += self._database.rows("SELECT 1 FROM datasets WHERE folder = ?", row["id"])
            if row["parent"] is None or filled:
                raise InvalidArgumentError("The root can't be deleted, nor a folder with something in it.")
            self._database.execute("DELETE FROM folders WHERE id = ?", row["id"])
        return Response()

    # --- uploads ----------------------------------------------------------------------------------------------

    async def _reserve(self, request: Request) -> Response:
        asking, body = self._asking(request), await _json(request)
        user = rights.check_user(asking)
        kind = request.path_params.get("kind", "dataset")
        if kind == "dataset":
            await run_in_threadpool(self._uploads.reserve_dataset, body, user)
        elif kind in ("mag", "attachment"):
            row = rights.check_edit(self._database, asking, str(body.get("datasetId")))
            await run_in_threadpool(self._uploads.reserve_part, kind, body, row, user)
        else:
            raise MissingError(f"There are no uploads of {kind!r}.")
        return Response()

    def _chunk_of(self, fields: Any, request: Request) -> tuple[Row, str, int]:
        user = rights.check_user(self._asking(request))
        identifier = str(fields.get("resumableIdentifier", ""))
        key, _, path = identifier.partition("/")
        return self._uploads.get(key, user), path, _whole(fields, "resumableChunkNumber")

    async def _add_chunk(self, request: Request) -> Response:
        rights.check_user(self._asking(request))
        async with request.form(max_files=1, max_fields=50) as form:
            file = form.get("file")
            if file is None or isinstance(file, str):
                raise InvalidArgumentError("The request has no part with the chunk's bytes: file.")
            upload, path, number = self._chunk_of(form, request)
            await run_in_threadpool(
                lambda: self._uploads.add_chunk(
                    upload,
                    path,
                    number,
                    _whole(form, "resumableTotalChunks"),
                    chunk_bytes=_whole(form, "resumableChunkSize"),
                    size=_whole(form, "resumableCurrentChunkSize"),
                    data=file.file,
                )
            )
        return Response()

    async def _has_chunk(self, request: Request) -> Response:
        found = self._uploads.has_chunk(*self._chunk_of(request.query_params, request))
        return Response(status_code=200 if found else 204)

    async def _finish(self, request: Request) -> Response:
        key = await self._finish_upload(request, self._uploads.finish)
        # Before version 14 the answer had another name.
        return JSONResponse({"datasetId": key} if "kind" in request.path_params else {"newDatasetId": key})

    async def _cancel(self, request: Request) -> Response:
        await self._finish_upload(request, self._uploads.cancel)
        return Response()

    async def _finish_upload(self, request: Request, end: Callable[[Row], Any]) -> Any:
        user = rights.check_user(self._asking(request))
        key = request.query_params.get("uploadId") or (await _json(request)).get("uploadId")
        return await run_in_threadpool(end, self._uploads.get(str(key), user))

    async def _unfinished(self, request: Request) -> Response:
        return JSONResponse(self._uploads.unfinished(rights.check_user(self._asking(request))))


async def _json(request: Request) -> Any:
    """The body of a request; InvalidArgumentError if it is none, or too large to be one."""
    if int(request.headers.get("content-length") or 0) > _MOST_JSON:
        raise InvalidArgumentError("The body of the request is too large.")
    try:
        return await request.json()
    except (ValueError, RecursionError):
        raise InvalidArgumentError("The body of the request is no JSON.") from None


def _whole(fields: Any, name: str) -> int:
    try:
        return int(str(fields[name]))
    except (KeyError, ValueError):
        raise InvalidArgumentError(f"The request must have a whole number {name}.") from None
