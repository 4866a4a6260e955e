"""The chapters of `ArrayBackendSuite`, one module per kind of promise; not for use on their own."""

from __future__ import annotations

__all__: list[str] = []
