"""How a bucket is reached: address, credentials and options, worked out once and the same for every driver.

An `Access` is what a URL, the options of the call, the setting `storage` and the environment say together. Providers
have a module each that makes them (`amazon`, `google`, `azure`); obstore, fsspec's drivers and engines that do their
own I/O are all told from the same one, so that what opens the metadata also reads the voxels.

The order is the same everywhere: options of the call, the setting `storage` (longest prefix), environment variables,
profiles and well-known files, the machine's own identity, and at last nobody (anonymous). The first that says anything
about credentials is taken as a whole: keys of one source are never mixed with those of another.

Secrets are in `config`, `driver` and `given` alone, which are in no repr and no pickle.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from wkplug.abc import Problem
from wkplug.errors import InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = [
    "NOBODY",
    "TUNING",
    "Access",
    "Credentials",
    "first_set",
    "half_a_pair",
    "public_options",
    "split_url",
    "unknown_options",
]

TUNING = frozenset(
    {
        "access", "asynchronous", "auto_mkdir", "blocksize", "cache_regions", "cache_timeout", "cache_type",
        "check_connection", "consistency", "default_block_size", "default_cache_type", "default_fill_cache",
        "default_location", "dircache", "fixed_upload_size", "listings_expiry_time", "local_expiry_check",
        "location_mode", "loop", "max_concurrency", "max_paths", "project", "protocol", "refused_is_missing",
        "secure_serialize", "skip_instance_cache", "use_listings_cache", "worm",
    }
)  # fmt: skip
"""Options of fsspec's drivers that change how fast they are, not what they reach; obstore does without."""

NOBODY = (
    "no credentials were found for it",
    "Give them in the setting `storage` or in the environment, or set anon = true for public data.",
)
"""What is wrong, and what to do, where credentials are wanted and there are none."""

_PUBLIC = frozenset(
    {
        "account_host", "account_name", "addressing_style", "anon", "base_url", "endpoint_url", "profile", "project",
        "refused_is_missing", "region", "requester_pays", "use_ssl", "version_aware",
    }
)  # fmt: skip
"""Options that may travel in pickles. A list of what is harmless, since nobody can list all secrets."""


class Credentials(NamedTuple):
    """Who is asking: values by the names of obstore's settings, and where they were found.

    source: in words, for messages; "" if there are none anywhere. anonymous: nobody, because that was asked for.
    problem: what is wrong with them, said when they are first used. unable: why obstore can't use them.
    """

    values: Mapping[str, Any] = MappingProxyType({})
    source: str = ""
    anonymous: bool = False
    problem: tuple[str, str] | None = None
    unable: Problem | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Access:
    """One bucket or container, with all that is needed to reach it.

    root: the URL before the path, with a slash at its end. server: the URL of what it shares with other buckets.
    config and client: for obstore. driver: for fsspec's driver. given: as the caller gave them. public: those of them
    that may travel. has_secrets: others of them stay behind. problems: why obstore can't do as asked.
    certain: the provider itself answers there, no stand-in.
    """

    provider: Literal["s3", "gs", "az"]
    scheme: str
    root: str
    server: str
    bucket: str
    credentials: Credentials = field(repr=False)
    config: Mapping[str, Any] = field(repr=False)
    client: Mapping[str, Any] = field(repr=False)
    driver: Mapping[str, Any] = field(repr=False)
    given: Mapping[str, Any] = field(repr=False)
    public: Mapping[str, Any] = field(repr=False)
    problems: Sequence[Problem] = ()
    has_secrets: bool = False
    refused_is_missing: bool = False
    certain: bool = False

    @property
    def package(self) -> str:
        """The fsspec driver that reaches it, as an extra of this distribution."""
        return {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}[self.provider]

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells this access from others: equal keys share connections."""
        return (
            self.scheme,
            self.bucket,
            _frozen(self.config),
            _frozen(self.client),
            _frozen(self.driver),
            self.credentials.source,
        )


def _frozen(value: Any) -> Any:
    if isinstance(value, dict | MappingProxyType):
        return tuple(sorted((name, _frozen(one)) for name, one in value.items()))
    if isinstance(value, list | tuple):
        return tuple(_frozen(one) for one in value)
    return value if isinstance(value, str | int | float | bytes | bool | None) else id(value)


def split_url(url: str, aliases: Mapping[str, str]) -> tuple[str, str]:
    """Give the scheme of a URL, by its first name, and what follows it. InvalidArgumentError if it is none."""
    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower()
    if not mark or "::" in scheme or "\0" in url:
        raise InvalidArgumentError(
            f"{url!r} is no URL of a single place.", hint="URLs look like s3://bucket/folder."
        )
    return aliases.get(scheme, scheme), rest


def public_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the options that hold no secret."""
    return {name: value for name, value in options.items() if name in _PUBLIC}


def first_set(*names: str) -> str | None:
    """Give the value of the first of these environment variables that is set and not empty."""
    return next((value for name in names if (value := os.environ.get(name))), None)


def half_a_pair(what: str, there: str, missing: str) -> tuple[str, str]:
    """Say that of two values that belong together one is missing; for `Credentials.problem`."""
    return (
        f"{what} are only half there: {there} is set, {missing} is not",
        f"Set {missing}, too; or take {there} away.",
    )


def unknown_options(names: Iterable[str], driver: str) -> list[Problem]:
    """Say which options obstore doesn't know, so that fsspec's driver takes over."""
    return [
        Problem(
            "unknown-option",
            f"obstore doesn't know the storage option '{name}'",
            f"{driver} may: pip install 'wkplug-cloud[{driver}]'",
        )
        for name in sorted(names)
    ]
