"""Index pages of web servers: those that are whole are read, all others are an error."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from wkplug_remote.index_pages import names_on

import wkplug as wk
from tests.servers.files import FileServer, serve_files
from wkplug import registry, storage
from wkplug.errors import StorageError, UnlistableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAMES = ["1/", "file.tif", "ä b&c/"]
NGINX = """<html>
<head><title>Index of /d/</title></head>
<body>
<h1>Index of /d/</h1><hr><pre><a href="../">../</a>
<a href="1/">1/</a>                                                 30-Nov-2026 01:13                   -
<a href="%C3%A4%20b%26c/">ä b&amp;c/</a>                            30-Nov-2026 01:13                   -
<a href="file.tif">file.tif</a>                                     30-Nov-2026 01:13                   2
</pre><hr></body>
</html>
"""
APACHE = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">
<html>
 <head>
  <title>Index of /d</title>
 </head>
 <body>
<h1>Index of /d</h1>
  <table>
   <tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>
<tr><td><a href="/">Parent Directory</a></td><td>&nbsp;</td></tr>
<tr><td><a href="1/">1/</a></td><td>2026-11-30 01:13  </td></tr>
<tr><td><a href="file.tif">file.tif</a></td><td>2026-11-30 01:13  </td></tr>
<tr><td><a href="%c3%a4%20b&amp;c/">ä b&amp;c/</a></td><td>2026-11-30 01:13  </td></tr>
</table>
</body></html>
"""
LIGHTTPD = """<!DOCTYPE html>
<html>
<head>
<title>Index of /d/</title>
</head>
<body>
<h2>Index of /d/</h2>
<table><tbody>
<tr class="d"><td class="n"><a href="../">..</a>/</td></tr>
<tr class="d"><td class="n"><a href="1/">1</a>/</td></tr>
<tr class="d"><td class="n"><a href="%C3%A4%20b%26c/">ä b&amp;c</a>/</td></tr>
<tr><td class="n"><a href="file.tif">file.tif</a></td></tr>
</tbody></table>
<script>document.write("</html>");</script>
</body>
</html>
"""
CADDY = """<!DOCTYPE html>
<html>
	<head>
		<title>d</title>
	</head>
	<body>
		<h1>
			<a href="../">/</a><a href="">d</a>/
		</h1>
		<span class="meta-item">
			<b>2</b> directories
		</span>
		<a href="?sort=name&order=asc">Name</a> <a href="..">Up</a>
		<a href="./1/"><span>1</span></a>
		<a href="./%C3%A4%20b&amp;c/"><span>ä b&amp;c</span></a>
		<a href="./file.tif"><span>file.tif</span></a>
		<footer>Served with <a rel="noopener noreferrer" href="https://caddyserver.com">Caddy</a></footer>
	</body>
</html>
"""
SERVE = """<!DOCTYPE html><html lang="en"><head><title>Files within web&#47;d&#47;</title></head><body><main>
<h1> <i>Index of&nbsp;</i>  <a href="/">web&#47;</a>  <a href="/d&#47;">d&#47;</a>  </h1>
<ul id="files">  <li> <a href="&#47;" title="&#47;" class="directory ">..</a> </li>
<li> <a href="&#47;d&#47;1&#47;" title="1&#47;" class="folder ">1&#47;</a> </li>
<li> <a href="&#47;d&#47;file.tif" title="file.tif" class="file tif">file.tif</a> </li>
<li> <a href="&#47;d&#47;ä b&#38;c&#47;" title="x" class="folder ">ä b&#38;c&#47;</a> </li></ul></main>
</body></html>"""
HTTP_SERVER = """<!DOCTYPE html>
<html><head><title>Index of /d/</title></head><body>
<h1>Index of /d/</h1>
<table><tr><td><a href="./../">../</a></td></tr>
<tr><td><a href="./1/">1/</a></td></tr><tr><td><a href="./%C3%A4%20b%26c/">ä b&#x26;c/</a></td></tr>
<tr><td><a href="./file.tif">file.tif</a></td></tr></table>
<br><address><a href="https://github.com/http-party/http-server">http-server</a> running</address>
</body></html>"""
IIS = """<html><head><title>localhost - /d/</title></head><body><H1>localhost - /d/</H1><hr>

<pre><A HREF="/">[To Parent Directory]</A><br><br> 11/30/2026  1:13 AM  &lt;dir&gt; <A HREF="/d/1/">1</A><br>
 <A HREF="/d/file.tif">file.tif</A><br> <A HREF="/d/%C3%A4%20b&amp;c/">ä b&amp;c</A><br></pre><hr></body></html>"""
PAGES = {
    "nginx": NGINX, "Apache": APACHE, "lighttpd": LIGHTTPD, "Caddy": CADDY, "serve": SERVE,
    "http-server": HTTP_SERVER, "IIS": IIS,
}  # fmt: skip


@pytest.mark.parametrize("server", PAGES)
def test_the_index_pages_of_servers_are_read(server: str) -> None:
    url = "http://localhost/d/"
    assert names_on(PAGES[server], url, url) == NAMES


@pytest.mark.parametrize("server", PAGES)
def test_every_beginning_of_an_index_page_is_refused(server: str) -> None:
    url, page = "http://localhost/d/", PAGES[server]
    end = max(page.rindex("</body>"), 0)
    for length in range(0, end, 7):
        with pytest.raises(UnlistableError):
            names_on(page[:length], url, url)
    with pytest.raises(UnlistableError, match="has no end, so names may be missing from it"):
        names_on(page[: page.index("file.tif</")], url, url)


@pytest.mark.parametrize(
    "changed",
    [
        (CADDY, "directories", "directories (of which only <b>1</b> are displayed)"),
        (NGINX, "</pre>", '<a href="?page=2">more</a></pre>'),
        (APACHE, "</head>", '<link rel="next" href="/d/?x"></head>'),
        (CADDY, "<footer>", "".join(f'<a href="./{n}">{n}</a>' for n in range(9_997)) + "<footer>"),
    ],
    ids=["told", "page", "link", "limit"],
)
def test_pages_with_some_of_the_names_are_refused(changed: tuple[str, str, str]) -> None:
    page, old, new = changed
    with pytest.raises(UnlistableError, match="shows only some of the names"):
        names_on(page.replace(old, new, 1), "http://localhost/d/", "http://localhost/d")


@pytest.mark.parametrize("title", ["502 Bad Gateway", "Sign in", "Not found: /d/", "", "404 - d"])
def test_other_pages_are_no_index(title: str) -> None:
    page = f"<html><head><title>{title}</title></head><body><a href='help.html'>Help</a></body></html>"
    with pytest.raises(UnlistableError, match="a page that is no index of a folder") as caught:
        names_on(page, "http://localhost/d/", "http://localhost/d")
    assert "Open the address in a browser" in str(caught.value.hint)


@pytest.mark.parametrize(
    "endless",
    ["<a href='x", "<", "<!--", "<![CDATA[", "<script></scrip", "<a x='y' ", "<a \"'", "<a /", "<a aaaa", "&amp;",
     "<div>", "<title>", "<h1 ", "<a href", "=\"", "<a b=  "],
)  # fmt: skip
def test_pages_take_no_longer_than_their_length(endless: str) -> None:
    def taken(length: int) -> float:
        page = "<html><title>Index of /d</title><a " + endless * (length // len(endless))
        began = time.process_time()
        with pytest.raises(UnlistableError):
            names_on(page, "http://localhost/d/", "http://localhost/d")
        return time.process_time() - began

    # What a parser does is inside of one call, so that only its time tells. A busy machine spoils one look, not all:
    # a time that grows with the square is 16 times longer at each.
    assert any(taken(400_000) < 8 * taken(100_000) + 0.05 for _ in range(5))


def test_only_names_of_the_folder_are_taken() -> None:
    links = [
        "%2e%2e/",
        "..%2fetc/",
        ".",
        "//other/d/x",
        "file:///d/x",
        "javascript:x",
        "http://[bad",
        "/d/a/b",
        "/x",
        "ok",
    ]
    page = NGINX.replace("</pre>", "".join(f"<A class=n HREF={link}>x</A>" for link in links) + "</pre>")
    assert names_on(page, "http://localhost/d/", "http://localhost/d") == ["1/", "file.tif", "ok", "ä b&c/"]


# --- behind a real server ------------------------------------------------------------------------------------

FAULTS = {
    "cut": "the connection ended before the whole answer had come. Tried 6 times",
    "chunked": "the connection ended before the whole answer had come. Tried 6 times",
    "closed": "index page has no end",
    "half": "index page has no end",
    "paged": "index page shows only some of the names",
    "error": r"no index of a folder \('502 Bad Gateway'\)",
    "login": r"no index of a folder \('Sign in'\)",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    (tmp_path / "web").mkdir()
    with serve_files(tmp_path / "web") as found:
        yield found


@pytest.mark.parametrize("fault", FAULTS)
def test_a_listing_that_is_not_known_to_be_whole_is_an_error(
    tmp_path: Path, server: FileServer, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    folder = tmp_path / "web" / "d"
    for name in ("1", "2"):
        (folder / name).mkdir(parents=True)
    (folder / "file.tif").write_bytes(b"x")
    place = storage.locate(f"{server.url}/d")
    assert list(place.list()) == ["1/", "2/", "file.tif"]
    server.fault = fault
    with pytest.raises(StorageError, match=FAULTS[fault]):
        list(place.list())


def _wkw(folder: Path) -> None:
    layer = wk.Dataset(folder.parent / "ds", (1, 1, 1)).add_layer(
        "color",
        "color",
        dtype="uint8",
        data_format="wkw",
        bounding_box=wk.BoundingBox((0, 0, 0), (32, 32, 32)),
    )
    for mag in (1, 2):
        layer.add_mag(mag, chunk_shape=32, shard_shape=32).write(
            np.ones((32 // mag,) * 3, "uint8"), allow_unaligned=True
        )
    (folder.parent / "ds").rename(folder)
    (folder / "datasource-properties.json").unlink()


def _n5(folder: Path) -> None:
    zarr = pytest.importorskip("tensorstore")
    for name in ("a", "b"):
        zarr.open(
            {
                "driver": "n5",
                "kvstore": {"driver": "file", "path": str(folder / name)},
                "metadata": {
                    "dimensions": [8, 8, 8],
                    "blockSize": [8, 8, 8],
                    "dataType": "uint8",
                    "compression": {"type": "raw"},
                },
                "create": True,
            }
        ).result().write(np.ones((8, 8, 8), "uint8")).result()
    (folder / "attributes.json").write_text('{"n5": "2.5.0"}')


def _zarr(folder: Path) -> None:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(folder), mode="w", zarr_format=2)
    for name in ("a", "b"):
        group.create_array(name, shape=(8, 8, 8), chunks=(8, 8, 8), dtype="uint8")[:] = 1


KINDS = {"wkw": (_wkw, "color", 2), "n5": (_n5, "src", 2), "zarr": (_zarr, "src", 2)}


@pytest.mark.parametrize("fault", ["half", "error"])
@pytest.mark.parametrize("kind", KINDS)
def test_containers_of_web_servers_are_seen_whole_or_not_at_all(
    tmp_path: Path, server: FileServer, kind: str, fault: str
) -> None:
    make: Callable[[Path], None]
    make, spoilt, holds = KINDS[kind]
    make(tmp_path / "web" / "src")
    url = f"{server.url}/src"
    place = storage.locate(url)
    layers = registry.choose_importer(place).winner.describe(place)
    assert sum(len(layer.mags) for layer in layers) == holds
    server.fault, server.spoil = fault, spoilt
    with pytest.raises(UnlistableError, match="could not be listed: the server"):
        registry.choose_importer(place).winner.describe(place)
    with pytest.raises(UnlistableError, match="could not be listed: the server"):
        wk.Dataset.from_images(url, tmp_path / "target", (1, 1, 1))
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("fault", ["cut", "half", "error"])
@pytest.mark.parametrize("spoilt", ["src", "more"])
def test_image_folders_of_web_servers_are_imported_whole(
    tmp_path: Path, server: FileServer, fault: str, spoilt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    (tmp_path / "web" / "src" / "more").mkdir(parents=True)
    for number in range(6):
        folder = "more/" if number > 2 else ""
        tifffile.imwrite(tmp_path / "web" / "src" / f"{folder}{number}.tif", np.ones((8, 8), "uint8"))
    url = f"{server.url}/src"
    assert wk.Dataset.from_images(url, tmp_path / "whole", (1, 1, 1)).layers
    server.fault, server.spoil = fault, spoilt
    with pytest.raises(StorageError, match=r"could not be listed: the (server|connection)"):
        wk.Dataset.from_images(url, tmp_path / "target", (1, 1, 1))
    assert not (tmp_path / "target").exists()


def test_an_image_in_one_file_needs_no_listing(tmp_path: Path, server: FileServer) -> None:
    tifffile.imwrite(tmp_path / "web" / "a.tif", np.full((8, 8), 7, "uint8"))
    for server.index in (None, "none"):
        dataset = wk.Dataset.from_images(f"{server.url}/a.tif", tmp_path / str(server.index), (1, 1, 1))
        assert (dataset.get_layer("a").get_mag(1).read() == 7).all()


def test_links_on_a_server_that_lead_back_come_to_an_end(tmp_path: Path, server: FileServer) -> None:
    folder = tmp_path / "web" / "src"
    folder.mkdir()
    tifffile.imwrite(folder / "1.tif", np.ones((8, 8), "uint8"))
    for name in ("again", "once more"):
        (folder / name).symlink_to(".")
    with pytest.raises(StorageError, match="is nested more than 32 folders deep") as caught:
        wk.Dataset.from_images(f"{server.url}/src", tmp_path / "target", (1, 1, 1))
    assert "A link on the server may lead back" in str(caught.value.hint)
    assert len(server.requests) < 200
    inner = folder
    for depth in range(20):  # deep, but not without an end
        inner = inner / f"f{depth}"
        inner.mkdir()
    tifffile.imwrite(inner / "1.tif", np.ones((8, 8), "uint8"))
    url = f"{server.url}/src/f0"
    assert wk.Dataset.from_images(url, tmp_path / "deep", (1, 1, 1)).layers
