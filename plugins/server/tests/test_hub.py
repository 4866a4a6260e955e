"""A hub, asked as clients of several versions ask it."""

from __future__ import annotations

import io
import json
import sqlite3
import uuid
import zipfile
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pytest
from wkplug_server.hub.hub import Hub
from wkplug_server.hub.routes import HubRoutes
from wkplug_server.running import RunningServer

import wkplug as wk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Answer(NamedTuple):
    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def told(self) -> str:
        return str(self.json["messages"][0]["error"])


class Client:
    """Whoever has this token."""

    def __init__(self, port: int, token: str | None) -> None:
        self._port, self._token = port, token

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        if self._token:
            sent["X-Auth-Token"] = self._token
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, data, sent)
        answer = connection.getresponse()
        found = Answer(answer.status, answer.read())
        connection.close()
        return found

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status == 200, answer.body
        return answer.json if answer.body else None

    # --- uploads, in all versions ---------------------------------------------------------------------------

    def reserve(self, key: str, name: str, files: dict[str, bytes], version: int = 16) -> Answer:
        size = sum(map(len, files.values()))
        if version < 14:
            body = {"uploadId": key, "name": name, "organization": "hub", "totalFileCount": len(files)}
            body |= {"totalFileSizeInBytes": size, "initialTeams": [], "layersToLink": [], "folderId": None}
            return self.ask("POST", f"/data/v{version}/datasets/reserveUpload", body)
        info = {"uploadId": key, "totalFileCount": len(files), "totalFileSizeInBytes": size}
        body = {
            "resumableUploadInfo": info,
            "datasetName": name,
            "organizationId": "hub",
            "initialTeamIds": [],
        }
        return self.ask("POST", f"/data/v{version}/datasets/upload/dataset/reserveUpload", body)

    def send(
        self,
        key: str,
        path: str,
        data: bytes,
        number: int = 1,
        count: int = 1,
        *,
        chunk: int = 0,
        version: int = 16,
    ) -> Answer:
        """Send a chunk of a file; chunk: the bytes of all but the last."""
        fields = {
            "resumableChunkSize": chunk or len(data),
            "resumableTotalChunks": count,
            "resumableChunkNumber": number,
            "resumableCurrentChunkSize": len(data),
            "resumableIdentifier": f"{key}/{path}",
            "totalFileCount": 1,
        }
        edge = uuid.uuid4().hex
        parts = [
            f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
            for name, value in fields.items()
        ]
        head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="upload"\r\n\r\n'.encode()
        body = b"".join(parts) + head + data + f"\r\n--{edge}--\r\n".encode()
        path = "/data/datasets" if version < 14 else f"/data/v{version}/datasets/upload/dataset"
        return self.ask("POST", path, body, Content_Type=f"multipart/form-data; boundary={edge}")

    def finish(self, key: str, version: int = 16) -> Answer:
        if version < 14:
            return self.ask("POST", f"/data/v{version}/datasets/finishUpload", {"uploadId": key})
        return self.ask("POST", f"/data/v{version}/datasets/upload/dataset/finishUpload?uploadId={key}")

    def upload(self, name: str, files: dict[str, bytes], version: int = 16) -> str:
        key = f"2026-01-01__{uuid.uuid4()}"
        assert self.reserve(key, name, files, version).status == 200
        for path, data in files.items():
            assert self.send(key, path, data, version=version).status == 200
        answer = self.finish(key, version)
        assert answer.status == 200, answer.body
        return str(answer.json["datasetId" if version >= 14 else "newDatasetId"])


class Team(NamedTuple):
    hub: Hub
    admin: Client
    member: Client
    guest: Client


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    with Hub(tmp_path / "hub") as hub:
        member = hub.database.add_user("mem.ber@lab.org")
        with RunningServer(HubRoutes(hub)) as server:
            admin = hub.users()[0]
            clients = (Client(server.port, token) for token in (admin["token"], member["token"], None))
            yield Team(hub, *clients)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a small dataset."""
    dataset = wk.Dataset(tmp_path_factory.mktemp("sent") / "tiny", voxel_size=(4, 4, 40))
    layer = dataset.add_layer(
        "em", "color", dtype="uint8", bounding_box=wk.BoundingBox((0, 0, 0), (32, 32, 32))
    )
    layer.add_mag(1).write(np.arange(32**3, dtype=np.uint8).reshape(1, 32, 32, 32))
    folder = dataset.path
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def voxels(client: Client, key: str, layer: str = "em") -> bytes:
    query = "mag=1-1-1&x=0&y=0&z=0&width=32&height=32&depth=32"
    answer = client.ask("GET", f"/data/v16/datasets/{key}/layers/{layer}/data?{query}")
    assert answer.status == 200, answer.body
    return answer.body


# --- uploads --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [13, 14, 16])
def test_an_upload_becomes_a_dataset(team: Team, files: dict[str, bytes], version: int) -> None:
    key = team.admin.upload("tiny", files, version)
    expected = np.arange(32**3, dtype=np.uint8).reshape(32, 32, 32).tobytes(order="F")
    assert voxels(team.admin, key) == expected
    full = team.admin.get(f"/api/v{version}/datasets/{key}")
    assert (full["name"], full["isActive"], full["usedStorageBytes"]) == (
        "tiny",
        True,
        sum(map(len, files.values())),
    )
    assert full["directoryName"] == f"tiny-{key}"


def test_chunks_come_in_any_order_and_again(team: Team) -> None:
    data = np.random.default_rng(0).bytes(1000)
    assert team.admin.reserve("u", "tiny", {"a": data}).status == 200
    for number in (3, 1, 4, 3, 2, 1):
        part = data[(number - 1) * 300 : number * 300]
        assert team.admin.send("u", "x/a", part, number, 4, chunk=300).status == 200
    assert (team.hub.uploads._folder / "u" / "x" / "a").read_bytes() == data


def test_what_has_come_can_be_asked_for(team: Team) -> None:
    team.admin.reserve("u", "tiny", {"a": b"12345678"})
    assert team.admin.send("u", "a", b"1234", 1, 2, chunk=4).status == 200
    asked = "/data/v16/datasets/upload/dataset?resumableIdentifier=u%2Fa&resumableChunkNumber="
    assert team.admin.ask("GET", asked + "1").status == 200
    assert team.admin.ask("GET", asked + "2").status == 204
    (unfinished,) = team.admin.get("/data/v16/datasets/upload/dataset/unfinishedUploads?organizationName=hub")
    assert (unfinished["uploadId"], unfinished["datasetName"], unfinished["filePaths"]) == (
        "u",
        "tiny",
        ["a"],
    )
    assert team.member.get("/data/v16/datasets/upload/dataset/unfinishedUploads?organizationName=hub") == []


def test_reserving_again_is_nothing_new(team: Team, files: dict[str, bytes]) -> None:
    for _ in range(2):
        assert team.admin.reserve("u", "tiny", files).status == 200
    assert len(team.hub.database.rows("SELECT 1 FROM datasets")) == 1
    answer = team.member.reserve("u", "tiny", files)
    assert (answer.status, answer.told) == (400, "The upload 'u' is somebody else's. Choose another id.")


def test_half_an_upload_is_no_dataset(team: Team, files: dict[str, bytes]) -> None:
    team.admin.reserve("u", "tiny", files)
    (first, data), *others = files.items()
    team.admin.send("u", first, data[:10], 1, 2, chunk=10)
    answer = team.admin.finish("u")
    assert answer.status == 400
    assert f"1 files of the upload 'u' have not come whole, such as {first!r}" in answer.told
    team.admin.send("u", first, data[10:], 2, 2, chunk=10)
    assert "1 files of the upload 'u' have come; " in team.admin.finish("u").told
    assert team.admin.get("/api/v16/datasets?isActive=true") == []
    (listed,) = team.admin.get("/api/v16/datasets")
    assert listed["status"] == "Not yet fully uploaded."
    for path, rest in others:
        team.admin.send("u", path, rest)
    assert team.admin.finish("u").status == 200
    assert len(team.admin.get("/api/v16/datasets?isActive=true")) == 1


def test_a_cancelled_upload_leaves_nothing(team: Team, files: dict[str, bytes]) -> None:
    team.admin.reserve("u", "tiny", files)
    team.admin.send("u", "a", b"1")
    assert team.admin.ask("POST", "/data/v16/datasets/upload/dataset/cancelUpload?uploadId=u").status == 200
    assert team.admin.get("/api/v16/datasets") == []
    assert list(team.hub.uploads._folder.iterdir()) == []
    assert "There is no upload 'u'. Reserve it first." in team.admin.finish("u").told


def test_what_is_no_dataset_is_refused(team: Team) -> None:
    for name, files in {"junk": {"notes.txt": b"hello"}, "bad": {"datasource-properties.json": b"{"}}.items():
        team.admin.reserve(name, name, files)
        for path, data in files.items():
            team.admin.send(name, path, data)
        answer = team.admin.finish(name)
        assert answer.status == 400
        assert "What was uploaded is no dataset: " in answer.told
        assert team.admin.get("/api/v16/datasets?isActive=true") == []


def test_archives_and_folders_around_are_opened(team: Team, files: dict[str, bytes]) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, data in files.items():
            archive.writestr(f"around/{path}", data)
    assert voxels(team.admin, team.admin.upload("zipped", {"all.zip": packed.getvalue()}))
    assert voxels(
        team.admin, team.admin.upload("inside", {f"a/b/{path}": data for path, data in files.items()})
    )


def test_containers_of_other_tools_become_datasets(
    team: Team, tmp_path: Path, files: dict[str, bytes]
) -> None:
    folder = tmp_path / "plain"
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    wk.Dataset.open(folder).get_layer("em").export(tmp_path / "em.precomputed")
    volume = tmp_path / "em.precomputed"
    sent = {
        path.relative_to(volume).as_posix(): path.read_bytes() for path in volume.rglob("*") if path.is_file()
    }
    key = team.admin.upload("volume", sent)
    (layer,) = team.admin.get(f"/api/v16/datasets/{key}")["dataSource"]["dataLayers"]
    assert voxels(team.admin, key, layer["name"]) == voxels(team.admin, team.admin.upload("tiny", files))


@pytest.mark.parametrize(
    "path", ["../a", "a/../../b", "/etc/passwd", "a//b", "a/./b", "a\\..\\b", "", "a/\0"]
)
def test_no_file_is_written_elsewhere(team: Team, path: str) -> None:
    team.admin.reserve("u", "tiny", {"a": b"1"})
    answer = team.admin.send("u", path, b"1")
    assert answer.status == 400
    assert "is no path inside of a dataset" in answer.told
    assert [each.name for each in team.hub.uploads._folder.rglob("*")] == ["u"]


def test_no_archive_writes_elsewhere(team: Team) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../../evil", "1")
    team.admin.reserve("u", "tiny", {"a.zip": packed.getvalue()})
    team.admin.send("u", "a.zip", packed.getvalue())
    assert "'../../../evil' is no path inside of a dataset" in team.admin.finish("u").told


def test_more_than_was_announced_is_refused(team: Team) -> None:
    team.admin.reserve("u", "tiny", {"a": b"12345"})
    assert team.admin.send("u", "a", b"1234").status == 200
    answer = team.admin.send("u", "b", b"12")
    assert answer.told.startswith("The upload 'u' was announced with 5 bytes, and this would be more.")
    assert answer.told.endswith("Reserve another upload, with the right size.")


@pytest.mark.parametrize("key", ["", "..", "a/b", "x" * 300])
def test_ids_of_uploads_are_names(team: Team, key: str) -> None:
    assert team.admin.reserve(key, "tiny", {"a": b"1"}).status == 400


def test_names_are_looked_at(team: Team) -> None:
    for name, problem in {
        "ab": "Dataset name should be at least 3 characters.",
        ".hidden": "Dataset name must not begin with a dot.",
        "a/b:c": "Dataset name may have letters, digits, '_', '-', '.' and spaces only.",
    }.items():
        assert team.admin.reserve(uuid.uuid4().hex, name, {}).told == f"{problem} Choose another name."
        if "/" not in name:
            found = team.admin.get(f"/api/v16/datasets/{quote(name)}/isValidNewName")
            assert found == {"isValid": False, "errors": problem}
    assert team.admin.get("/api/v16/datasets/fine/isValidNewName") == {"isValid": True}


def test_a_hub_goes_on_after_it_was_ended(tmp_path: Path, files: dict[str, bytes]) -> None:
    """As after a kill: nothing is written when a hub ends."""
    with Hub(tmp_path / "hub") as hub, RunningServer(HubRoutes(hub)) as server:
        client = Client(server.port, hub.users()[0]["token"])
        client.reserve("u", "tiny", files)
        for path, data in list(files.items())[:-1]:
            client.send("u", path, data)
    with Hub(tmp_path / "hub") as hub, RunningServer(HubRoutes(hub)) as server:
        client = Client(server.port, hub.users()[0]["token"])
        path, data = list(files.items())[-1]
        client.send("u", path, data)
        key = client.finish("u").json["datasetId"]
        assert voxels(client, key)


def test_an_end_that_was_cut_off_is_gone_on_with(team: Team, files: dict[str, bytes]) -> None:
    """The files were moved, and the server was killed before it noted that."""
    team.admin.reserve("u", "tiny", files)
    for path, data in files.items():
        team.admin.send("u", path, data)
    (row,) = team.hub.database.rows("SELECT * FROM datasets")
    (team.hub.uploads._folder / "u").rename(team.hub.datasets.path(row))
    assert team.admin.finish("u").status == 200
    assert voxels(team.admin, row["id"])


def test_one_process_has_a_hub(tmp_path: Path) -> None:
    with Hub(tmp_path / "hub"), pytest.raises(wk.LockTimeoutError, match="Another process serves the hub"):
        Hub(tmp_path / "hub")


# --- rights -----------------------------------------------------------------------------------------------------


def test_strangers_see_public_datasets_alone(team: Team, files: dict[str, bytes]) -> None:
    key = team.admin.upload("tiny", files)
    for client in (team.guest, team.member):
        answer = client.ask("GET", f"/api/v16/datasets/{key}")
        assert answer.status == 404
        assert "does not exist or could not be accessed." in answer.told
        assert client.get("/api/v16/datasets") == []
        for path in (
            f"/data/v16/zarr/{key}/em/1/.zarray",
            f"/precomputed/{key}/em/info",
            f"/v/{key}/",
            f"/events/{key}",
        ):
            assert client.ask("GET", path).status == 404
    team.admin.ask("PATCH", f"/api/v16/datasets/{key}/updatePartial", {"isPublic": True})
    assert voxels(team.guest, key)
    assert len(team.guest.get("/api/v16/datasets")) == 1


def test_a_sharing_token_opens_its_dataset_alone(team: Team, files: dict[str, bytes]) -> None:
    key, other = team.admin.upload("one", files), team.admin.upload("two", files)
    token = team.admin.get(f"/api/v16/datasets/{key}/sharingToken")["sharingToken"]
    assert team.admin.get(f"/api/v16/datasets/{key}/sharingToken")["sharingToken"] == token
    assert team.guest.get(f"/api/v16/datasets/{key}?sharingToken={token}")["name"] == "one"
    assert team.guest.ask("GET", f"/data/v16/zarr/{key}/em/1/0.0.0.0?token={token}").status == 200
    assert team.guest.ask("GET", f"/api/v16/datasets/{other}?sharingToken={token}").status == 404
    assert team.guest.ask("DELETE", f"/api/v16/datasets/{key}?sharingToken={token}").status == 403
    team.admin.ask("DELETE", f"/api/v16/datasets/{key}/sharingToken")
    assert team.guest.ask("GET", f"/api/v16/datasets/{key}?sharingToken={token}").status == 404


def test_teams_read_and_their_managers_change(team: Team, files: dict[str, bytes]) -> None:
    key = team.admin.upload("tiny", files)
    (everybody,) = team.admin.get("/api/v16/teams")
    assert team.admin.ask("PATCH", f"/api/v16/datasets/{key}/teams", [everybody["id"]]).json == [
        everybody["id"]
    ]
    assert team.member.get(f"/api/v16/datasets/{key}")["isEditable"] is False
    answer = team.member.ask("PATCH", f"/api/v16/datasets/{key}/updatePartial", {"description": "mine"})
    assert (answer.status, answer.told) == (
        403,
        "You are not allowed to edit the dataset 'tiny'. Ask its owner.",
    )
    team.hub.database.execute("UPDATE memberships SET is_manager = 1")
    assert (
        team.member.ask("PATCH", f"/api/v16/datasets/{key}/updatePartial", {"description": "mine"}).status
        == 200
    )


def test_teams_of_folders_reach_what_is_below(team: Team, files: dict[str, bytes]) -> None:
    key = team.admin.upload("tiny", files)
    root = team.admin.get("/api/v16/folders/root")["id"]
    outer = team.admin.ask("POST", f"/api/v16/folders/create?parentId={root}&name=outer").json["id"]
    inner = team.admin.ask("POST", f"/api/v16/folders/create?parentId={outer}&name=inner").json["id"]
    team.admin.ask("PATCH", f"/api/v16/datasets/{key}/updatePartial", {"folderId": inner})
    assert team.member.ask("GET", f"/api/v16/datasets/{key}").status == 404
    (everybody,) = team.admin.get("/api/v16/teams")
    body = {"name": "outer", "allowedTeams": [everybody["id"]], "metadata": []}
    assert team.admin.ask("PUT", f"/api/v16/folders/{outer}", body).status == 200
    full = team.member.get(f"/api/v16/datasets/{key}")
    assert [each["name"] for each in full["allowedTeamsCumulative"]] == ["Default"]
    assert full["allowedTeams"] == []
    assert len(team.member.get(f"/api/v16/datasets?folderId={outer}&includeSubfolders=true")) == 1
    assert team.member.get(f"/api/v16/datasets?folderId={outer}") == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/user"),
        ("GET", "/api/teams"),
        ("POST", "/api/teams"),
        ("GET", "/api/folders/tree"),
        ("POST", "/data/v16/datasets/upload/dataset/reserveUpload"),
        ("POST", "/data/v16/datasets/upload/dataset"),
        ("POST", "/data/v16/datasets/upload/dataset/finishUpload?uploadId=u"),
        ("POST", "/api/datasets/exploreAndAddRemote"),
    ],
)
def test_nobody_does_what_needs_a_user(team: Team, method: str, path: str) -> None:
    for client in (team.guest, Client(team.admin._port, "wrong")):
        answer = client.ask(method, path, {})
        assert answer.status == 401
        assert "This needs a user's token" in answer.told


def test_members_are_no_admins(team: Team) -> None:
    root = team.member.get("/api/v16/folders/root")["id"]
    for method, path in (
        ("POST", "/api/v16/teams"),
        ("POST", f"/api/v16/folders/create?parentId={root}&name=a"),
        ("DELETE", f"/api/v16/folders/{root}"),
    ):
        answer = team.member.ask(method, path, {"name": "a"})
        assert (answer.status, answer.told) == (
            403,
            "Only admins and dataset managers may do this. Ask one of them.",
        )


def test_places_of_the_hubs_own_disk_cant_be_added(team: Team, tmp_path: Path) -> None:
    for place in (str(tmp_path), f"file://{tmp_path}", "/etc"):
        body = {"remoteUri": place, "datasetName": "mine"}
        answer = team.member.ask("POST", "/api/v16/datasets/exploreAndAddRemote", body)
        assert answer.status == 400
        assert "Places on the hub's own disk can't be added: everybody could read them." in answer.told


# --- changes ----------------------------------------------------------------------------------------------------


def test_absent_keys_stay_and_null_clears(team: Team, files: dict[str, bytes]) -> None:
    key = team.admin.upload("tiny", files)
    path = f"/api/v16/datasets/{key}/updatePartial"
    team.admin.ask(
        "PATCH",
        path,
        {"description": "a", "tags": ["t"], "metadata": [{"key": "k", "type": "number", "value": 1}]},
    )
    full = team.admin.ask("PATCH", path, {"name": "other"}).json
    assert (full["name"], full["description"], full["tags"]) == ("other", "a", ["t"])
    assert team.admin.ask("PATCH", path, {"description": None}).json["description"] is None
    twice = [{"key": "k", "type": "number", "value": n} for n in (1, 2)]
    assert team.admin.ask("PATCH", path, {"metadata": twice}).told.startswith(
        "Metadata may have each key once."
    )


def test_paths_are_never_taken_from_clients(team: Team, files: dict[str, bytes]) -> None:
    key = team.admin.upload("tiny", files)
    source = team.admin.get(f"/api/v16/datasets/{key}")["dataSource"]
    layer = source["dataLayers"][0]
    layer["mags"][0]["path"] = "/etc"
    layer["mags"].append({"mag": [2, 2, 2], "path": "/etc"})
    layer["boundingBox"] = {"topLeft": [0, 0, 0], "width": 16, "height": 16, "depth": 16}
    answer = team.admin.ask("PATCH", f"/api/v16/datasets/{key}/updatePartial", {"dataSource": source})
    assert answer.status == 200, answer.body
    (changed,) = answer.json["dataSource"]["dataLayers"]
    assert changed["boundingBox"]["width"] == 16
    assert [each["mag"] for each in changed["mags"]] == [[1, 1, 1]]
    stored = json.loads(
        (team.hub.datasets.path(team.hub.datasets.get(key)) / "datasource-properties.json").read_text()
    )
    assert "/etc" not in json.dumps(stored)


def test_a_wrong_description_changes_nothing(team: Team, files: dict[str, bytes]) -> None:
    key = team.admin.upload("tiny", files)
    source = team.admin.get(f"/api/v16/datasets/{key}")["dataSource"]
    source["dataLayers"][0]["boundingBox"] = {"topLeft": "here"}
    answer = team.admin.ask("PATCH", f"/api/v16/datasets/{key}/updatePartial", {"dataSource": source})
    assert answer.status == 400
    assert answer.told.startswith("That is no description of a dataset: ")
    assert answer.told.endswith("Nothing was changed.")
    assert voxels(team.admin, key)


def test_a_deleted_dataset_is_gone(team: Team, files: dict[str, bytes]) -> None:
    key = team.admin.upload("tiny", files)
    assert team.admin.ask("DELETE", f"/api/v16/datasets/{key}").status == 200
    assert team.admin.ask("GET", f"/api/v16/datasets/{key}").status == 404
    assert list(team.hub.datasets.folder.iterdir()) == []


def test_folders_keep_their_order(team: Team) -> None:
    root = team.admin.get("/api/v16/folders/root")["id"]
    a = team.admin.ask("POST", f"/api/v16/folders/create?parentId={root}&name=a").json["id"]
    b = team.admin.ask("POST", f"/api/v16/folders/create?parentId={a}&name=b").json["id"]
    for method, path, text in (
        (
            "POST",
            f"/api/v16/folders/create?parentId={root}&name=a",
            "the name is empty, has a slash, or is taken",
        ),
        ("PUT", f"/api/v16/folders/{a}/move?newParentId={b}", "nor a folder into itself"),
        ("PUT", f"/api/v16/folders/{root}/move?newParentId={b}", "The root can't be moved"),
        ("DELETE", f"/api/v16/folders/{a}", "nor a folder with something in it"),
        ("DELETE", f"/api/v16/folders/{root}", "The root can't be deleted"),
    ):
        answer = team.admin.ask(method, path)
        assert answer.status == 400
        assert text in answer.told
    assert team.admin.ask("PUT", f"/api/v16/folders/{b}/move?newParentId={root}").status == 200
    assert team.admin.ask("DELETE", f"/api/v16/folders/{a}").status == 200
    assert {each["name"] for each in team.admin.get("/api/v16/folders/tree")} == {"Organization Root", "b"}


@pytest.mark.parametrize("body", [b"{", b"[" * 100000, b"\xff"])
def test_bodies_that_are_no_json_are_refused(team: Team, body: bytes) -> None:
    answer = team.admin.ask("POST", "/api/v16/teams", body)
    assert (answer.status, answer.told) == (400, "The body of the request is no JSON.")


def test_tokens_are_in_no_answer(team: Team, files: dict[str, bytes]) -> None:
    key = team.admin.upload("tiny", files)
    secrets = [row["token"] for row in team.hub.users()]
    for path in ("/api/user", "/api/users", "/api/datasets", f"/api/datasets/{key}", f"/datasets/{key}", "/"):
        body = team.admin.ask("GET", path).body.decode()
        assert not any(secret in body for secret in secrets)


def test_the_database_survives_wrong_values(team: Team) -> None:
    """A statement that fails inside of a change takes the whole change back."""

    def add_twice() -> None:
        with team.hub.database.change():
            for key in ("1", "2"):
                team.hub.database.insert("teams", id=key, name="x", is_everybody=0)

    with pytest.raises(sqlite3.IntegrityError):
        add_twice()
    assert [row["name"] for row in team.hub.database.rows("SELECT name FROM teams")] == ["Default"]
