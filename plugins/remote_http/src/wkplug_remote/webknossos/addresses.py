"""The addresses of datasets on servers, in the forms of all years; read as text, without a request.

| address | what it is |
|---|---|
| https://HOST/datasets/[NAME-]ID[/view][#...][?token=T] | today's; the name may be out of date, the id counts |
| https://HOST/datasets/ORGANIZATION/NAME[/view][#...][?token=T] | that of earlier years |
| https://HOST/links/KEY | a short link, which only the server knows |
| https://HOST/annotations/[TYPE/]ID | an annotation |

Anything else is a name, or an id. Whatever stands before /datasets/ belongs to the server's address.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, unquote, urlsplit

import attrs

__all__ = ["Address", "is_id"]

_ID = re.compile(r"[0-9a-f]{24}")
_ENDS_WITH_ID = re.compile(r"(?:.*-)?([0-9a-f]{24})", re.DOTALL)
_PAGES = frozenset({"view", "edit", "sandbox", "createExplorative", "createSandbox", "import"})


def is_id(text: str) -> bool:
    """Whether a text looks like the id that a server gives to a dataset."""
    return _ID.fullmatch(text) is not None


@attrs.frozen(kw_only=True)
class Address:
    """What an address says. server: None for a plain name or id. page: whether it is that of a page for people."""

    server: str | None = None
    id: str | None = None
    name: str | None = None
    organization: str | None = None
    sharing_token: str | None = attrs.field(default=None, repr=False)
    link: str | None = None
    annotation: str | None = None
    page: bool = False

    @classmethod
    def read(cls, text: str) -> Address:
        """Read an address, a name or an id."""
        text = text.strip()
        split = _split(text)
        if split is None:
            return cls(id=text) if is_id(text) else cls(name=text)
        base, parts, token = split
        if (
            len(parts) > 2 and parts[0] == "t" and parts[2] == "datasets"
        ):  # as `wkplug serve` spells its links
            token, parts = parts[1], parts[2:]
        for number, part in enumerate(parts):
            rest = parts[number + 1 :]
            server = "/".join([base, *parts[:number]])
            if part == "links" and len(rest) == 1:
                return cls(server=server, link=unquote(rest[0]))
            if part == "annotations" and rest:
                return cls(server=server, annotation=_annotation(rest), sharing_token=token)
            if part == "datasets" and rest:
                found = _dataset(rest)
                if found is not None:
                    return attrs.evolve(found, server=server, sharing_token=token)
        return cls(name=text)

    @property
    def is_certain(self) -> bool:
        """Whether the address can only be one of a server, not of files on a web server."""
        return self.server is not None and (
            (self.id is not None and self.name is None) or (self.name is not None and self.page)
        )


def _split(text: str) -> tuple[str, list[str], str | None] | None:
    """Scheme with host, the parts of the path, and the token of the query; None for what is no URL."""
    if not text.startswith(("http://", "https://")):
        return None
    try:
        split = urlsplit(text)
    except ValueError:
        return None
    if not split.netloc:
        return None
    token = parse_qs(split.query).get("token", [""])[0] or None
    return f"{split.scheme}://{split.netloc}", [part for part in split.path.split("/") if part], token


def _dataset(rest: list[str]) -> Address | None:
    """What stands behind /datasets/; None if that is none of the forms."""
    page = rest[-1] in _PAGES
    with_id = _ENDS_WITH_ID.fullmatch(unquote(rest[0]))
    if with_id is not None and (len(rest) == 1 or (len(rest) == 2 and page)):
        return Address(id=with_id[1], page=page)
    if len(rest) == 2 or (len(rest) == 3 and page):
        return Address(organization=unquote(rest[0]), name=unquote(rest[1]), page=len(rest) == 3)
    return None


def _annotation(rest: list[str]) -> str:
    return next((part for part in rest if is_id(part)), rest[-1])
