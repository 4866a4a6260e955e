"""Who may do what: one function per question, asked with what the database knows.

Public datasets and those that are asked for with their sharing token may be read by anybody. Admins and dataset
managers may do everything with datasets. Members of a team that is listed for a dataset, or for a folder around it, may
read; its managers, and whoever has uploaded the dataset, may change it.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

import attrs

from wkplug.errors import DatasetNotFoundError, ForbiddenError
from wkplug_server.access import NotLoggedInError

if TYPE_CHECKING:
    from wkplug_server.hub.database import Database

__all__ = [
    "Asking",
    "check_admin",
    "check_edit",
    "check_read",
    "check_user",
    "may_edit",
    "may_read",
    "teams_around",
]

Row = dict[str, Any]


@attrs.frozen
class Asking:
    """Whoever asks: a user, None for anybody; sharing: the sharing token of a dataset that came with the request."""

    user: Row | None = None
    sharing: str | None = attrs.field(default=None, repr=False)


def check_user(asking: Asking) -> Row:
    """The user; NotLoggedInError for anybody else."""
    if asking.user is None:
        raise NotLoggedInError(
            "This needs a user's token, and there is none, or nobody has it.",
            hint="Give the token that the hub has printed for you, as in the variable WK_TOKEN.",
        )
    return asking.user


def check_admin(asking: Asking) -> Row:
    """The user, an admin or dataset manager; ForbiddenError."""
    user = check_user(asking)
    if not (user["is_admin"] or user["is_dataset_manager"]):
        raise ForbiddenError("Only admins and dataset managers may do this.", hint="Ask one of them.")
    return user


def teams_around(database: Database, dataset: Row) -> set[str]:
    """The ids of the teams that are listed for a dataset, or for a folder around it."""
    found = {team["id"] for team in database.teams_in("dataset", dataset["id"])}
    for folder in database.chain(dataset["folder"]):
        found |= {team["id"] for team in database.teams_in("folder", folder)}
    return found


def may_read(database: Database, asking: Asking, dataset: Row) -> bool:
    """Whether a dataset may be read."""
    token = dataset["sharing_token"]
    if dataset["is_public"] or (token and asking.sharing and hmac.compare_digest(token, asking.sharing)):
        return True
    user = asking.user
    if user is None:
        return False
    if user["is_admin"] or user["is_dataset_manager"] or dataset["uploader"] == user["id"]:
        return True
    own = {team["id"] for team in database.teams_of(user["id"])}
    return bool(own & teams_around(database, dataset))


def may_edit(database: Database, asking: Asking, dataset: Row) -> bool:
    """Whether a dataset may be changed."""
    user = asking.user
    if user is None:
        return False
    if user["is_admin"] or user["is_dataset_manager"] or dataset["uploader"] == user["id"]:
        return True
    managed = {team["id"] for team in database.teams_of(user["id"]) if team["is_manager"]}
    return bool(managed & teams_around(database, dataset))


def check_read(database: Database, asking: Asking, key: str) -> Row:
    """The dataset with this id; DatasetNotFoundError if there is none, or none that may be read: that isn't told."""
    dataset = database.row("SELECT * FROM datasets WHERE id = ?", key)
    if dataset is None or not may_read(database, asking, dataset):
        hint = (
            "Consider logging in."
            if asking.user is None
            else "Check the id, and that you are allowed to read it."
        )
        raise DatasetNotFoundError(f"Dataset {key} does not exist or could not be accessed.", hint=hint)
    return dataset


def check_edit(database: Database, asking: Asking, key: str) -> Row:
    """The same for changes; ForbiddenError if it may only be read."""
    dataset = check_read(database, asking, key)
    if not may_edit(database, asking, dataset):
        raise ForbiddenError(
            f"You are not allowed to edit the dataset {dataset['name']!r}.", hint="Ask its owner."
        )
    return dataset
