"""The dataset that the service shows."""

from __future__ import annotations

from wkplug.dataset import Dataset


class LabDataset(Dataset):
    """A dataset of the lab: it knows who takes care of it."""

    @property
    def curator(self) -> str:
        return f"the curator of {self.name}"
