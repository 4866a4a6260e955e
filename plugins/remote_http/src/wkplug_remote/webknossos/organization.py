"""Who and what there is on a server beside datasets: teams, users, folders, and the stores of files.

Each is a value as of the moment when it was asked for; what changes it asks the server at once. All ask the server of
the current context (`webknossos_context`), folders that of the context in which they were found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import InvalidArgumentError, MissingError, UnknownToServerError
from wkplug_remote.webknossos.addresses import is_id
from wkplug_remote.webknossos.client import Client
from wkplug_remote.webknossos.context import current
from wkplug_remote.webknossos.listing import RemoteDatasets
from wkplug_remote.webknossos.records import Metadata, metadata_to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Datastore", "LoggedTime", "RemoteFolder", "Team", "User", "folder_id_of"]


def _client() -> Client:
    return Client(current())


@attrs.frozen
class Team:
    """A team of an organization, to which datasets and folders may be shown."""

    id: str
    name: str
    organization_id: str

    @classmethod
    def of(cls, record: dict[str, Any]) -> Team:
        """Read what a server says of a team."""
        return cls(str(record["id"]), str(record["name"]), str(record.get("organization", "")))

    @classmethod
    def get_list(cls) -> list[Team]:
        """All teams that the user may see."""
        return [cls.of(one) for one in _client().api("GET", "/teams")]

    @classmethod
    def get_by_name(cls, name: str) -> Team:
        """The team of that name; UnknownToServerError (a KeyError)."""
        return cls._only("name", name)

    @classmethod
    def get_by_id(cls, team_id: str) -> Team:
        """The team with that id; UnknownToServerError (a KeyError)."""
        return cls._only("id", team_id)

    @classmethod
    def _only(cls, key: str, value: str) -> Team:
        teams = cls.get_list()
        for team in teams:
            if getattr(team, key) == value:
                return team
        there = ", ".join(repr(team.name) for team in teams) or "none"
        raise UnknownToServerError(f"{current().url} has no team {value!r} that you may see; it has {there}.")

    @classmethod
    def add(cls, team_name: str) -> Team:
        """Make a team."""
        return cls.of(_client().api("POST", "/teams", body={"name": team_name}))

    def add_user(self, user: User, *, is_team_manager: bool = False) -> None:
        """Make a user a member."""
        user.assign_team_roles(self, is_team_manager)

    def delete(self) -> None:
        """Delete the team; datasets that were shown to it stay."""
        _client().api("DELETE", f"/teams/{self.id}")


@attrs.frozen
class LoggedTime:
    """For how long a user has worked in a month."""

    duration_in_seconds: int
    month: int
    year: int


@attrs.frozen
class User:
    """A user of a server. created, last_activity: milliseconds since 1970."""

    user_id: str
    email: str
    organization_id: str
    first_name: str
    last_name: str
    created: int
    last_activity: int
    teams: tuple[Team, ...]
    experiences: dict[str, int] = attrs.field(eq=False)
    is_active: bool
    is_admin: bool
    is_dataset_manager: bool

    @classmethod
    def of(cls, record: dict[str, Any]) -> User:
        """Read what a server says of a user."""
        organization = str(record.get("organization", ""))
        return cls(
            user_id=str(record["id"]),
            email=str(record.get("email", "")),
            organization_id=organization,
            first_name=str(record.get("firstName", "")),
            last_name=str(record.get("lastName", "")),
            created=int(record.get("created", 0)),
            last_activity=int(record.get("lastActivity", 0)),
            teams=tuple(
                Team(str(one["id"]), str(one["name"]), organization) for one in record.get("teams", [])
            ),
            experiences=dict(record.get("experiences") or {}),
            is_active=bool(record.get("isActive")),
            is_admin=bool(record.get("isAdmin")),
            is_dataset_manager=bool(record.get("isDatasetManager")),
        )

    @classmethod
    def get_current_user(cls) -> User:
        """Whoever the token belongs to; ForbiddenError without one."""
        return cls.of(_client().api("GET", "/user"))

    @classmethod
    def get_by_id(cls, id: str) -> User:  # noqa: A002 - the name that users know
        """The user with that id; UnknownToServerError (a KeyError)."""
        try:
            return cls.of(_client().api("GET", f"/users/{id}"))
        except MissingError as error:
            raise UnknownToServerError(f"{current().url} has no user {id!r}: {error.message}") from error

    @classmethod
    def get_all_managed_users(cls) -> list[User]:
        """All users whom the current one manages."""
        return [cls.of(one) for one in _client().api("GET", "/users")]

    def get_logged_times(self) -> list[LoggedTime]:
        """For how long the user has worked, month by month."""
        told = _client().api("GET", f"/users/{self.user_id}/loggedTime")
        return [
            LoggedTime(
                int(one["durationInSeconds"]),
                int(one["paymentInterval"]["month"]),
                int(one["paymentInterval"]["year"]),
            )
            for one in told["loggedTime"]
        ]

    def assign_team_roles(self, team: str | Team, is_team_manager: bool) -> None:  # noqa: FBT001 - known signature
        """Make the user a member of a team, or its manager."""
        found = Team.get_by_name(team) if isinstance(team, str) else team
        client = _client()
        record = client.api("GET", f"/users/{self.user_id}")
        others = [one for one in record.get("teams", []) if one["id"] != found.id]
        role = {"id": found.id, "name": found.name, "isTeamManager": is_team_manager}
        client.api("PATCH", f"/users/{self.user_id}", body={**record, "teams": [*others, role]})


@attrs.frozen
class Datastore:
    """Where a server keeps the files of datasets."""

    name: str
    url: str
    allows_upload: bool

    @classmethod
    def get_datastores(cls, allows_upload: bool | None = None) -> list[Datastore]:  # noqa: FBT001 - known signature
        """All of them, or those that (don't) take uploads."""
        found = [
            cls(str(one["name"]), str(one["url"]).rstrip("/"), bool(one.get("allowsUpload")))
            for one in _client().api("GET", "/datastores")
        ]
        return [one for one in found if allows_upload is None or one.allows_upload == allows_upload]

    @classmethod
    def get_upload_url(cls) -> str:
        """The address of the first one that takes uploads; UnknownToServerError (a KeyError) if none does."""
        for one in cls.get_datastores(allows_upload=True):
            return one.url
        raise UnknownToServerError(
            f"{current().url} has no store that takes uploads.", hint="Ask whoever runs the server."
        )


class RemoteFolder:
    """A folder of datasets on a server: `RemoteFolder.get_by_path("Datasets/Folder_A")`."""

    id: str
    """What the server calls it."""

    def __init__(self, id: str, name: str, parent: str | None) -> None:  # noqa: A002 - the name that users know
        self.id = id
        self._name = name
        self._parent = parent
        self._client = _client()

    @classmethod
    def _tree(cls) -> list[RemoteFolder]:
        return [
            cls(str(one["id"]), str(one["name"]), one.get("parent"))
            for one in _client().api("GET", "/folders/tree")
        ]

    @classmethod
    def get_root(cls) -> RemoteFolder:
        """The folder that all others are in."""
        found = _client().api("GET", "/folders/root")
        return cls(str(found["id"]), str(found["name"]), None)

    @classmethod
    def get_by_id(cls, folder_id: str) -> RemoteFolder:
        """The folder with that id; UnknownToServerError (a KeyError)."""
        for folder in cls._tree():
            if folder.id == folder_id:
                return folder
        raise UnknownToServerError(f"{current().url} has no folder with the id {folder_id} that you may see.")

    @classmethod
    def get_by_path(cls, path: str) -> RemoteFolder:
        """The folder at "Datasets/Folder_A"; the root's name may be left out. UnknownToServerError (a KeyError)."""
        folders = cls._tree()
        children: dict[str | None, list[RemoteFolder]] = {}
        for folder in folders:
            children.setdefault(folder._parent, []).append(folder)
        names = [name for name in path.split("/") if name]
        roots = children.get(None, [])
        starts = [(root, names[1:]) for root in roots if names and root.name == names[0]]
        starts += [(root, names) for root in roots]
        for start, rest in starts:
            found: RemoteFolder | None = start
            for name in rest:
                inside = [] if found is None else children.get(found.id, [])
                found = next((one for one in inside if one.name == name), None)
            if found is not None:
                return found
        raise UnknownToServerError(
            f"{current().url} has no folder {path!r} that you may see.",
            hint="Paths have slashes between names: RemoteFolder.get_root().get_subfolders() gives the first.",
        )

    # --- what it is ----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name; saved when set."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        self._save(name=name)
        self._name = name

    @property
    def parent(self) -> RemoteFolder | None:
        """The folder that it is in, None for the root; setting it moves it there."""
        return None if self._parent is None else RemoteFolder.get_by_id(self._parent)

    @parent.setter
    def parent(self, parent: RemoteFolder) -> None:
        self.move_to(parent)

    @property
    def allowed_teams(self) -> tuple[Team, ...]:
        """The teams that see it; saved when set, as teams or their ids."""
        return tuple(Team.of(one) for one in self._record().get("allowedTeams", []))

    @allowed_teams.setter
    def allowed_teams(self, teams: Sequence[str | Team]) -> None:
        self._save(allowedTeams=[team if isinstance(team, str) else team.id for team in teams])

    @property
    def metadata(self) -> Metadata:
        """Texts, numbers and lists of texts that users have attached; each change is saved."""

        def entries() -> list[dict[str, Any]]:
            return list(self._record().get("metadata") or [])

        return Metadata(entries, entries, lambda new: self._save(metadata=new))

    @metadata.setter
    def metadata(self, values: Any) -> None:
        self._save(metadata=metadata_to_json(values))

    def _record(self) -> dict[str, Any]:
        record: dict[str, Any] = self._client.api("GET", f"/folders/{self.id}")
        return record

    def _save(self, **values: Any) -> None:
        record = self._record()
        teams = [team["id"] for team in record.get("allowedTeams", [])]
        body = {
            "name": record["name"],
            "allowedTeams": teams,
            "metadata": record.get("metadata") or [],
            **values,
        }
        self._client.api("PUT", f"/folders/{self.id}", body=body)

    # --- what is in it -------------------------------------------------------------------------------------

    def get_subfolders(self) -> tuple[RemoteFolder, ...]:
        """The folders directly in it."""
        return tuple(folder for folder in RemoteFolder._tree() if folder._parent == self.id)

    def get_datasets(self) -> RemoteDatasets:
        """The datasets directly in it, by their ids."""
        return RemoteDatasets.of(self._client, folder_id=self.id)

    def add_subfolder(self, name: str) -> RemoteFolder:
        """Make a folder in it."""
        made = self._client.api("POST", "/folders/create", query={"parentId": self.id, "name": name})
        return RemoteFolder(str(made["id"]), str(made["name"]), self.id)

    def move_to(self, new_parent: RemoteFolder) -> RemoteFolder:
        """Move it into another folder."""
        self._client.api("PUT", f"/folders/{self.id}/move", query={"newParentId": new_parent.id})
        self._parent = new_parent.id
        return self

    def delete(self) -> None:
        """Delete it; ServerError unless it is empty."""
        self._client.api("DELETE", f"/folders/{self.id}")

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, RemoteFolder) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"RemoteFolder(id={self.id!r}, name={self._name!r})"


def folder_id_of(
    folder: RemoteFolder | str | None, folder_id: RemoteFolder | str | None = None
) -> str | None:
    """Give the id of a folder that is named by itself, its path or its id."""
    if folder is not None and folder_id is not None:
        raise InvalidArgumentError("Both folder and folder_id were given.", hint="Give folder.")
    chosen = folder_id if folder is None else folder
    if chosen is None or isinstance(chosen, RemoteFolder):
        return None if chosen is None else chosen.id
    return chosen if is_id(chosen) else RemoteFolder.get_by_path(chosen).id
