"""What a hub knows: users, teams, folders, datasets and uploads, in one SQLite file.

Every change is one transaction that is on the disk when it returns: after a kill there is all of it or nothing. JSON
values that only clients understand are kept as text. Not here: files of datasets, and who may do what.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["ORGANIZATION", "Database", "as_json", "new_id", "now"]

ORGANIZATION = "hub"
"""All users and datasets of a hub belong to one organization of this name."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
  id TEXT PRIMARY KEY, email TEXT UNIQUE NOT NULL, first_name TEXT NOT NULL, last_name TEXT NOT NULL,
  token TEXT UNIQUE NOT NULL, is_admin INTEGER NOT NULL, is_dataset_manager INTEGER NOT NULL, created INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS teams (id TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL, is_everybody INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS memberships (
  user TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  team TEXT NOT NULL REFERENCES teams(id) ON DELETE CASCADE,
  is_manager INTEGER NOT NULL, PRIMARY KEY (user, team)
);
CREATE TABLE IF NOT EXISTS folders (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, parent TEXT REFERENCES folders(id), metadata TEXT NOT NULL,
  UNIQUE (parent, name)
);
CREATE TABLE IF NOT EXISTS folder_teams (
  folder TEXT NOT NULL REFERENCES folders(id) ON DELETE CASCADE,
  team TEXT NOT NULL REFERENCES teams(id) ON DELETE CASCADE, PRIMARY KEY (folder, team)
);
CREATE TABLE IF NOT EXISTS datasets (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, directory TEXT UNIQUE NOT NULL, folder TEXT NOT NULL REFERENCES folders(id),
  status TEXT NOT NULL, is_public INTEGER NOT NULL, is_virtual INTEGER NOT NULL, description TEXT, tags TEXT NOT NULL,
  metadata TEXT NOT NULL, sharing_token TEXT, uploader TEXT REFERENCES users(id), created INTEGER NOT NULL,
  last_used INTEGER NOT NULL, sorting_key INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS dataset_teams (
  dataset TEXT NOT NULL REFERENCES datasets(id) ON DELETE CASCADE,
  team TEXT NOT NULL REFERENCES teams(id) ON DELETE CASCADE, PRIMARY KEY (dataset, team)
);
CREATE TABLE IF NOT EXISTS uploads (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, dataset TEXT NOT NULL REFERENCES datasets(id) ON DELETE CASCADE,
  user TEXT NOT NULL REFERENCES users(id), files INTEGER NOT NULL, bytes INTEGER, request TEXT NOT NULL,
  created INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS chunks (
  upload TEXT NOT NULL REFERENCES uploads(id) ON DELETE CASCADE, path TEXT NOT NULL, number INTEGER NOT NULL,
  count INTEGER NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (upload, path, number)
);
"""
_VERSION = 1


def new_id() -> str:
    """An id as WEBKNOSSOS' clients know them: 24 hexadecimal digits."""
    return secrets.token_hex(12)


def now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


class Database:
    """The file; thread-safe. Rows are dictionaries."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        # A change is on the disk before anybody hears of it.
        for line in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 10000"):
            self._connection.execute(f"PRAGMA {line}")
        with self.change():
            for statement in _SCHEMA.split(";"):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {_VERSION}")
            if not self.rows("SELECT 1 FROM folders WHERE parent IS NULL"):
                self.insert("folders", id=new_id(), name="Organization Root", parent=None, metadata="[]")
                self.insert("teams", id=new_id(), name="Default", is_everybody=1)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """One transaction: everything that is done inside, or nothing of it. Others wait meanwhile."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What a query gives."""
        with self._lock:
            return [dict(row) for row in self._connection.execute(query, values).fetchall()]

    def row(self, query: str, *values: Any) -> dict[str, Any] | None:
        """The first row of what a query gives."""
        return next(iter(self.rows(query, *values)), None)

    def execute(self, statement: str, *values: Any) -> int:
        """Change rows; gives how many."""
        with self.change():
            return self._connection.execute(statement, values).rowcount

    def insert(self, table: str, **values: Any) -> None:
        """Add a row."""
        names = ", ".join(values)
        marks = ", ".join("?" for _ in values)
        self.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", *values.values())  # noqa: S608 - names of our own

    def update(self, table: str, key: str, **values: Any) -> None:
        """Change the row with this id."""
        if values:
            names = ", ".join(f"{name} = ?" for name in values)
            self.execute(f"UPDATE {table} SET {names} WHERE id = ?", *values.values(), key)  # noqa: S608 - the same

    # --- users and teams --------------------------------------------------------------------------------------

    def add_user(self, email: str, *, is_admin: bool = False) -> dict[str, Any]:
        """Add a user with a new token, a member of the team of all."""
        first, _, last = email.partition("@")[0].partition(".")
        key = new_id()
        with self.change():
            self.insert(
                "users",
                id=key,
                email=email,
                first_name=first.capitalize() or "User",
                last_name=last.capitalize(),
                token=secrets.token_hex(24),
                is_admin=int(is_admin),
                is_dataset_manager=int(is_admin),
                created=now(),
            )
            for team in self.rows("SELECT id FROM teams WHERE is_everybody"):
                self.insert("memberships", user=key, team=team["id"], is_manager=0)
        return self.row("SELECT * FROM users WHERE id = ?", key) or {}

    def teams_of(self, user: str) -> list[dict[str, Any]]:
        """The teams of a user, with `is_manager`."""
        return self.rows(
            "SELECT teams.*, memberships.is_manager FROM teams JOIN memberships ON team = teams.id WHERE user = ? "
            "ORDER BY teams.name",
            user,
        )

    # --- folders ----------------------------------------------------------------------------------------------

    def root(self) -> dict[str, Any]:
        """The folder in which all others are."""
        return self.row("SELECT * FROM folders WHERE parent IS NULL") or {}

    def chain(self, folder: str) -> list[str]:
        """The ids of a folder and of those around it."""
        query = (
            "WITH RECURSIVE up(id, parent) AS (SELECT id, parent FROM folders WHERE id = ? UNION ALL "
            "SELECT folders.id, folders.parent FROM folders JOIN up ON folders.id = up.parent) SELECT id FROM up"
        )
        return [row["id"] for row in self.rows(query, folder)]

    def teams_in(self, table: str, key: str) -> list[dict[str, Any]]:
        """The teams that are listed for a folder or dataset. table: folder or dataset."""
        query = f"SELECT teams.* FROM teams JOIN {table}_teams ON team = teams.id WHERE {table} = ? ORDER BY teams.name"  # noqa: S608
        return self.rows(query, key)

    def set_teams(self, table: str, key: str, teams: list[str]) -> None:
        """List these teams for a folder or dataset, and no others."""
        with self.change():
            self.execute(f"DELETE FROM {table}_teams WHERE {table} = ?", key)  # noqa: S608 - the same
            for team in dict.fromkeys(teams):
                self.insert(f"{table}_teams", **{table: key, "team": team})


def as_json(text: str | None) -> Any:
    """A value that is kept as text."""
    return None if text is None else json.loads(text)
