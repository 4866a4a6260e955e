"""The names on a web server's index page, and whether the page is one, and whole.

A web server answers for a folder with a page for people. What else comes with status 200 (a proxy's error, a login,
an application's start page, the first part of an index) looks much the same, and whoever took it for the list of a
folder would leave out what lies there. So a page counts if it is headed as the index of a folder and has its end;
one that shows only some of the names doesn't. Checked with the pages of nginx, Apache, lighttpd, Caddy, Python's
http.server, `npx serve` and `npx http-server`.

What no page can show: Caddy's `file_limit` below its default of 10,000 leaves out names without a word.
"""

from __future__ import annotations

import html
import re
from urllib.parse import unquote, urljoin, urlsplit

import attrs

from wkplug.errors import UnlistableError

__all__ = ["MAX_PAGE_BYTES", "check_no_index", "names_on"]

MAX_PAGE_BYTES = 64 * 2**20
_HEADED = re.compile(
    r"(index of|directory listing|directory:|files within|listing of|contents of)(\W|$)", re.IGNORECASE
)
_TAG = re.compile(r"/?[a-zA-Z][a-zA-Z0-9]*")
_ATTRIBUTE = re.compile(r"""(?<![\w-])([a-zA-Z-]+)\s*=\s*("[^"]*"|'[^']*'|[^\s"']+)""")
_SOME_OF = re.compile(r"of which only\s*\d+\s*are displayed", re.IGNORECASE)
_NEXT_QUERY = re.compile(r"(^|&)(page|offset|start|marker|cursor|continuation-?token)=", re.IGNORECASE)
_CADDY, _CADDY_LIMIT = "caddyserver.com", 10_000
_OTHER_INDEXES = (
    (re.compile(rb"<ListBucketResult[\s>]"), "the server answers with the list of a bucket, up to 1,000 names of it",
     "Give its address as s3://BUCKET/PATH (with the endpoint's host first for other stores than AWS)."),
    (re.compile(rb"^\s*(<\?xml[^>]*>)?\s*<list>"), "the server answers with an index in XML",
     "Let the server show its index as HTML, or copy the data to a disk or an object store."),
    (re.compile(rb'^\s*\[\s*(\{\s*"name"|\])'), "the server answers with an index in JSON",
     "Let the server show its index as HTML, or copy the data to a disk or an object store."),
)  # fmt: skip
_ADVICE = (
    "Open the address in a browser to see what the server says. If it shows no index of the folder, or only a part "
    "of one, copy the data to a disk or an object store, where all files can be listed."
)


@attrs.define
class _Page:
    """What a page says: its headings, the links of its anchors, whether it is closed, and whether it is continued.

    Read tag by tag in one go, because the parsers of full HTML take quadratic time for some pages that are none.
    """

    headings: dict[str, str] = attrs.field(factory=dict)
    links: list[str] = attrs.field(factory=list)
    text: list[str] = attrs.field(factory=list)
    base: str = ""
    closed: bool = False
    continued: bool = False

    @classmethod
    def read(cls, text: str) -> _Page:
        """Read the page; a tag that isn't finished is none."""
        page = cls()
        skipped_until = heading = ""
        for piece in text.split("<")[1:]:
            if skipped_until:  # in a script, a style or a comment
                if skipped_until == "-->":
                    skipped_until = "" if "-->" in piece else skipped_until
                elif piece[: len(skipped_until)].lower() == skipped_until:
                    skipped_until = ""
                continue
            if piece.startswith("!--"):
                skipped_until = "" if "-->" in piece else "-->"
                continue
            inside, finished, after = piece.partition(">")
            named = _TAG.match(inside)
            if not finished or named is None:
                continue
            tag = named[0].lower()
            if tag in ("script", "style"):
                skipped_until = f"/{tag}"
            elif tag in ("title", "h1", "h2") and tag not in page.headings:
                heading = tag
                page.headings[tag] = ""
            elif tag == f"/{heading}":
                heading = ""
            elif tag in ("a", "link", "base"):
                page._point(tag, inside)
            page.closed = page.closed or tag in ("/html", "/body")
            said = html.unescape(after)
            if heading:
                page.headings[heading] += said
            page.text.append(said)
        return page

    def _point(self, tag: str, inside: str) -> None:
        values = {
            name.lower(): html.unescape(value.strip("\"'")) for name, value in _ATTRIBUTE.findall(inside)
        }
        if tag == "base":
            self.base = values.get("href", "")
        elif tag == "a" and "href" in values:
            self.links.append(values["href"].strip())
        if "next" in values.get("rel", "").lower().split():
            self.continued = True


def names_on(text: str, url: str, asked: str) -> list[str]:
    """Give the names below a folder that its index page shows, folders with a slash.

    url: where the page came from, after redirects. asked: the folder's address, for errors. UnlistableError for a page
    that is no index, has no end, or shows only some of the names.
    """
    page = _Page.read(text)
    folder = _parts(urlsplit(url).path)
    if not any(_is_heading(heading, folder) for heading in page.headings.values()):
        said = " ".join(next(iter(page.headings.values()), "").split())[:60]
        raise _unlistable(
            asked,
            f"the server answers with a page that is no index of a folder{f' ({said!r})' if said else ''}",
        )
    if not page.closed:
        raise _unlistable(asked, "the server's index page has no end, so names may be missing from it")
    names: set[str] = set()
    own = urljoin(url, page.base)
    for link in page.links:
        try:
            target = urlsplit(urljoin(own, link))
        except ValueError:
            continue
        if target.netloc != urlsplit(url).netloc:
            continue
        parts = _parts(target.path)
        page.continued |= parts == folder and _NEXT_QUERY.search(target.query) is not None
        if len(parts) == len(folder) + 1 and parts[:-1] == folder and _is_name(parts[-1]):
            names.add(f"{parts[-1]}/" if target.path.endswith("/") else parts[-1])
    full = any(_CADDY in link for link in page.links) and len(names) >= _CADDY_LIMIT
    if page.continued or full or _SOME_OF.search(" ".join(" ".join(page.text).split())):
        raise _unlistable(asked, "the server's index page shows only some of the names")
    return sorted(names)


def check_no_index(start: bytes, asked: str) -> None:
    """UnlistableError if an answer that is no page begins as an index of another kind, which isn't read."""
    for pattern, what, hint in _OTHER_INDEXES:
        if pattern.search(start):
            raise _unlistable(asked, what, hint)


def _parts(path: str) -> list[str]:
    return [unquote(part) for part in path.split("/") if part]


def _is_name(part: str) -> bool:
    return part not in (".", "..") and "/" not in part


def _is_heading(heading: str, folder: list[str]) -> bool:
    """Whether a heading is one of an index: it says so, or is the folder's path or name."""
    plain = "".join(heading.split())
    if _HEADED.match(" ".join(heading.split())):
        return True
    if not plain:
        return False
    # As Caddy (name, or path by parts) and IIS (host - path) do.
    said = _parts(plain.rpartition("-/")[2])
    wanted = ["".join(part.split()) for part in folder]
    return said in (wanted, wanted[-1:])


def _unlistable(asked: str, what: str, hint: str = _ADVICE) -> UnlistableError:
    return UnlistableError(f"{asked} could not be listed: {what}.", hint=hint)
