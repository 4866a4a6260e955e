"""Connections: pooled, made anew after a fork, certificates checked, nothing heavy imported too early."""

from __future__ import annotations

import multiprocessing
import os
import ssl
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from wkplug_remote.filesystem import opened

from tests.servers.scripted import Reply, ScriptedServer, ranged, serve_script
from wkplug.abc import StoreFailure, side_by_side

if TYPE_CHECKING:
    from pathlib import Path

DATA = bytes(range(100))


def test_many_requests_share_a_few_connections(script: ScriptedServer) -> None:
    opened_connections = []
    accept = script.get_request

    def counted() -> object:
        opened_connections.append(1)
        return accept()

    script.get_request = counted  # type: ignore[method-assign, assignment]
    script.reply = lambda request: ranged(DATA)(request) if request.path == "/x" else Reply(404, b"not there")
    store = opened(f"{script.url}/x")[0]
    for n in range(10):
        store.get("x", n, n + 10)
        with pytest.raises(StoreFailure):
            store.get("y")
    assert len(opened_connections) == 1
    found = list(side_by_side(lambda n: store.get("x", n, n + 5)[0], range(60), at_once=8))
    assert found == [DATA[n : n + 5] for n in range(60)]
    assert len(opened_connections) <= 9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_forked_processes_have_connections_of_their_own(script: ScriptedServer) -> None:
    script.reply = ranged(DATA)
    store = opened(f"{script.url}/x")[0]
    assert store.get("x")[0] == DATA
    results = multiprocessing.get_context("fork").SimpleQueue()
    child = multiprocessing.get_context("fork").Process(target=lambda: results.put(store.get("x", 5, 9)[0]))
    child.start()
    assert results.get() == DATA[5:9]
    child.join(10)
    assert store.get("x", 1, 2)[0] == DATA[1:2]


def test_the_http_library_comes_with_the_first_request() -> None:
    code = (
        "import sys, wkplug_remote.plugin; assert 'wkplug_remote.store' not in sys.modules;"
        "from wkplug import storage; place = storage.locate('https://host/x'); place.child('y').url;"
        "assert type(place).__name__ == 'StoreLocation', place;"
        "assert not {'httpx', 'fsspec', 'aiohttp', 'numpy.linalg'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for this machine that nobody has signed, with its key."""
    path = tmp_path / "cert.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(path), "-out",
         str(tmp_path / "part.pem"), "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=False, capture_output=True,
    )  # fmt: skip
    if made.returncode != 0:
        pytest.skip("openssl can't make certificates here")
    path.write_text((tmp_path / "part.pem").read_text() + path.read_text())
    return path


def test_certificates_that_nobody_signed_are_refused_unless_named(certificate: Path) -> None:
    with serve_script() as server:
        server.reply = ranged(DATA)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = f"{server.url.replace('http:', 'https:')}/x"
        with pytest.raises(StoreFailure) as caught:
            opened(url)[0].get("x")
        assert caught.value.kind == "broken"
        assert "the certificate of 127.0.0.1 is not trusted (self-signed certificate" in caught.value.text
        assert "storage option verify" in str(caught.value.hint)
        assert opened(url, {"verify": str(certificate)})[0].get("x")[0] == DATA
        assert opened(url, {"ssl": False})[0].get("x")[0] == DATA


def test_proxies_of_options_and_environment_are_used(
    script: ScriptedServer, other: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.reply = ranged(DATA)
    assert opened("http://nowhere.invalid/x", {"proxy": other.url})[0].get("x")[0] == DATA
    assert other.requests[-1].path == "http://nowhere.invalid/x"
    monkeypatch.setenv("http_proxy", other.url)
    assert opened("http://elsewhere.invalid/x")[0].get("x")[0] == DATA
    script.reply = ranged(DATA[:5])
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert opened(f"{script.url}/x")[0].get("x")[0] == DATA[:5]
    with pytest.raises(StoreFailure):
        opened("http://elsewhere.invalid/x", {"trust_env": False})[0].get("x")


def test_stores_are_used_by_many_threads(script: ScriptedServer) -> None:
    script.reply = ranged(DATA)
    store = opened(f"{script.url}/x")[0]
    wrong = []

    def read() -> None:
        for n in range(20):
            if store.get("x", n, n + 9)[0] != DATA[n : n + 9]:
                wrong.append(n)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
