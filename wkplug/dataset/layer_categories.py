"""Deprecated: the older home of the categories of layers. Import them from `wkplug`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wkplug.notices import names_from_the_package

if not TYPE_CHECKING:
    __getattr__ = names_from_the_package(__name__)
