"""Which server is spoken to, and as whom."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path

import pytest
from wkplug_remote.webknossos.context import Context, current, login, token_for, webknossos_context

from wkplug.errors import ConfigError, InvalidArgumentError


def test_without_anything_it_is_the_public_server() -> None:
    assert current() == Context("https://webknossos.org", None, 1800.0)


def test_variables_are_read_when_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WK_URL", "https://lab.example.com/")
    monkeypatch.setenv("WK_TOKEN", "mine")
    monkeypatch.setenv("WK_TIMEOUT", "7")
    assert current() == Context("https://lab.example.com", "mine", 7.0)
    monkeypatch.setenv("WK_TOKEN", "")
    assert current().token is None


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text('WK_TOKEN="of the file"\nexport WK_URL=https://lab.example.com\n')
    assert current() == Context("https://lab.example.com", "of the file")
    monkeypatch.setenv("WK_TOKEN", "of the environment")
    assert current().token == "of the environment"


@pytest.mark.parametrize("text", ["soon", "0", "-1", "inf"])
def test_a_timeout_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("WK_TIMEOUT", text)
    with pytest.raises(ConfigError, match=f"WK_TIMEOUT is '{text}', which is no number of seconds"):
        current()


@pytest.mark.parametrize(
    "text", ["webknossos.org", "ftp://host", "https://", "https://host:x", "https://h/?a=b"]
)
def test_an_address_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with pytest.raises(InvalidArgumentError, match="is no address of a server"):
        webknossos_context(url=text)
    monkeypatch.setenv("WK_URL", text)
    with pytest.raises(ConfigError, match="WK_URL can't be used"):
        current()


def test_contexts_nest_and_the_token_is_not_inherited() -> None:
    outer = webknossos_context("https://a.example.com", "one", timeout=5)
    with outer:
        with webknossos_context(token="two"):
            assert current() == Context("https://a.example.com", "two", 5.0)
            with webknossos_context("https://b.example.com"):
                assert current() == Context("https://b.example.com", None, 5.0)
        with outer:
            assert current().token == "one"
        assert current().token == "one"
    assert current().url == "https://webknossos.org"


def test_a_context_is_left_by_an_error_too() -> None:
    with pytest.raises(KeyError), webknossos_context(token="one"):
        raise KeyError
    assert current().token is None


def test_a_context_decorates_functions() -> None:
    @webknossos_context(url="https://a.example.com", token="one")
    def tokens(depth: int) -> list[str | None]:
        return [current().token, *(tokens(depth - 1) if depth else [])]

    assert tokens(2) == ["one"] * 3
    assert current().token is None


def test_a_context_belongs_to_its_thread() -> None:
    seen = []
    with webknossos_context(token="one"):
        thread = threading.Thread(target=lambda: seen.append(current().token))
        thread.start()
        thread.join()
    assert seen == [None]


def test_login_counts_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with webknossos_context():  # what is logged in within it ends with it
        login(url="https://a.example.com", token="one")
        assert current() == Context("https://a.example.com", "one")
        monkeypatch.setattr("getpass.getpass", lambda question: "typed")
        login()
        assert current() == Context("https://a.example.com", "typed")
        webknossos_context().__exit__()
        webknossos_context().__exit__()


def test_login_without_a_terminal_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(question: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", closed)
    with pytest.raises(InvalidArgumentError, match=r"No token was given.*\n.*WK_TOKEN"):
        login()


def test_a_token_is_for_its_own_server_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WK_TOKEN", "public")
    with (
        webknossos_context("https://a.example.com", "one"),
        webknossos_context("https://b.example.com", "two"),
    ):
        assert token_for("https://a.example.com") == "one"
        assert token_for("https://b.example.com") == "two"
        assert token_for("https://webknossos.org") == "public"
        assert token_for("https://c.example.com") is None


def test_tokens_are_in_no_text_and_in_no_pickle() -> None:
    context = Context("https://a.example.com", "sec-ret")
    pickled = pickle.dumps(context)
    assert "sec-ret" not in repr(context) + repr(webknossos_context(token="sec-ret"))
    assert b"sec-ret" not in pickled
    assert pickle.loads(pickled).token is None
    with webknossos_context("https://a.example.com", "sec-ret"):
        assert pickle.loads(pickled) == context
