"""Datasets that are shown from Python: one server for the process, which shows what it was asked to.

It listens on this machine alone, with a token, and ends with the process.
"""

from __future__ import annotations

import sys
import threading
import webbrowser
from html import escape
from typing import TYPE_CHECKING, Any

from wkplug.abc import Viewer
from wkplug_server.catalogue import Catalogue
from wkplug_server.running import RunningServer, new_token

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["NeuroglancerViewer", "Shown", "open_browser"]


class Shown:
    """Something that can be looked at, as long as the process runs: `print(shown.url)`, or the last line of a cell."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self._name = name

    def __repr__(self) -> str:
        return f"<{self._name} at {self.url}>"

    def _repr_html_(self) -> str:
        url = escape(self.url)
        return (
            f'<iframe src="{url}" title="{escape(self._name)}" width="100%" height="600" style="border:0"></iframe>'
            f'<a href="{url}" target="_blank">{escape(self._name)} in a window of its own</a>'
        )


class NeuroglancerViewer(Viewer):
    """Shows datasets in Neuroglancer."""

    def __init__(self, settings: Any) -> None:
        del settings
        self._lock = threading.Lock()
        self._catalogue = Catalogue()
        self._server: RunningServer | None = None

    def show(self, dataset: Any, *, layers: Sequence[str] = (), browser: bool | None = None) -> Shown:
        """Share the dataset on this machine, and give the link to the viewer."""
        for name in layers:
            dataset.get_layer(name)
        shared = self._catalogue.add(dataset, str(dataset.location.url))
        with self._lock:
            if self._server is None:
                self._server = RunningServer(self._catalogue, token=new_token()).start()
        url = self._server.view_url(shared.id, layers)
        if browser or (browser is None and not _in_notebook()):
            open_browser(url)
        return Shown(url, shared.name)


def open_browser(url: str) -> None:
    """Open a link in the browser, if this machine has one."""
    try:
        webbrowser.get()
    except webbrowser.Error:
        return
    webbrowser.open(url)


def _in_notebook() -> bool:
    """Whether what a cell gives is shown by itself."""
    return "ipykernel" in sys.modules
