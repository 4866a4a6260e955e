"""Profiles of ~/.aws/config and ~/.aws/credentials: those that just hold keys are read here, for drivers that can't.

Profiles that ask somebody for keys (single sign-on, roles, helper programs) are told apart, for drivers that can.
"""

# ruff: noqa: PTH111, PTH116 - paths are plain text here: every opened place looks at them, and pathlib costs more

from __future__ import annotations

import os
from functools import lru_cache
from os.path import expanduser
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Profile", "files", "profile"]

_ASKING = {
    "sso_session": "single sign-on",
    "sso_start_url": "single sign-on",
    "sso_account_id": "single sign-on",
    "role_arn": "another role",
    "credential_source": "another role",
    "credential_process": "a helper program",
    "web_identity_token_file": "a web identity",
}


class Profile(NamedTuple):
    """What a profile says. asks: in words, where its keys come from if it doesn't hold them itself; "" if it does."""

    name: str
    key: str = ""
    secret: str = ""
    token: str = ""
    region: str = ""
    endpoint_url: str = ""
    addressing_style: str = ""
    asks: str = ""


def files() -> tuple[str, str]:
    """Give the paths of the file of settings and of that of keys."""
    return (
        expanduser(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config"),
        expanduser(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"),
    )


def profile(name: str) -> Profile | None:
    """Read a profile; None if neither file has it."""
    settings, keys = (_sections(path, _changed(path)) for path in files())
    section = "default" if name == "default" else f"profile {name}"
    found = {**settings.get(section, {}), **keys.get(name, {})}
    if section not in settings and name not in keys:
        return None
    s3 = _nested(found.get("s3", ""))
    services = settings.get(f"services {found.get('services', '')}", {})
    asks = next((words for option, words in _ASKING.items() if found.get(option)), "")
    if found.get("aws_access_key_id") and "role_arn" not in found:
        asks = ""
    return Profile(
        name,
        key=found.get("aws_access_key_id", ""),
        secret=found.get("aws_secret_access_key", ""),
        token=found.get("aws_session_token", ""),
        region=found.get("region", ""),
        endpoint_url=_nested(services.get("s3", "")).get("endpoint_url") or found.get("endpoint_url", ""),
        addressing_style=s3.get("addressing_style", ""),
        asks=asks,
    )


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=8)
def _sections(path: str, changed: int) -> Mapping[str, Mapping[str, str]]:
    """Read a file, once for each time that it has changed; empty if it isn't there or no such file."""
    if not changed:
        return {}
    import configparser  # late: most machines have no such files

    parser = configparser.RawConfigParser(strict=False, default_section="\0")
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError):
        return {}
    return {name: dict(parser.items(name)) for name in parser.sections()}


def _nested(text: str) -> dict[str, str]:
    """Read the indented lines below an option, as in "s3 =" followed by "  addressing_style = virtual"."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip(): value.strip() for name, _, value in pairs}
