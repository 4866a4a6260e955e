"""`Hub`: everything below one folder, DIR/hub.db, DIR/datasets and DIR/uploads, which only one process may use."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from wkplug.abc import locate
from wkplug.errors import LockTimeoutError
from wkplug_server.hub.database import Database
from wkplug_server.hub.datasets import HubDatasets
from wkplug_server.hub.rights import Asking
from wkplug_server.hub.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Hub"]


class Hub:
    """A hub at rest; a context manager. The first user, an admin, is made with it."""

    def __init__(self, folder: Path, *, admin: str = "admin@localhost") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._stack = ExitStack()
        try:
            self._stack.enter_context(locate(str(folder)).lock("hub", timeout=0))
        except LockTimeoutError as error:
            raise LockTimeoutError(
                f"Another process serves the hub at {folder}.",
                hint="Stop it first, or choose another folder.",
            ) from error
        self.database = Database(folder / "hub.db")
        self.datasets = HubDatasets(folder, self.database)
        self.uploads = Uploads(folder, self.database, self.datasets)
        if not self.database.rows("SELECT 1 FROM users"):
            self.database.add_user(admin, is_admin=True)

    def users(self) -> list[dict[str, Any]]:
        """All users, with their tokens."""
        return self.database.rows("SELECT * FROM users ORDER BY created")

    def asking(self, tokens: Sequence[str]) -> Asking:
        """Who asks with these tokens: the user of one of them; the others may be those of shared datasets."""
        for token in tokens:
            user = self.database.row("SELECT * FROM users WHERE token = ?", token)
            if user is not None:
                return Asking(user, sharing=next((each for each in tokens if each != token), None))
        return Asking(None, sharing=next(iter(tokens), None))

    def close(self) -> None:
        """Let go of the folder."""
        self.database.close()
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
