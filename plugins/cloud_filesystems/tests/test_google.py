"""Who asks Google's storage, and where: options, settings, variables and files, without any server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from wkplug_cloud.filesystems import GoogleThroughFsspec, GoogleThroughObstore
from wkplug_cloud.google import google_access, kvstore

import wkplug.config
from wkplug.errors import ForbiddenError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wkplug_cloud.access import Access

pytestmark = pytest.mark.usefixtures("no_credentials")

SERVICE = {
    "type": "service_account",
    "client_email": "a@b.c",
    "private_key": "verysecret",
    "private_key_id": "1",
}


@pytest.fixture(autouse=True)
def _no_login(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("TENSORSTORE_GCS_HTTP_URL", raising=False)


def access(options: Mapping[str, Any] | None = None, storage: Mapping[str, Any] | None = None) -> Access:
    with wkplug.config.settings(storage=storage or {}):
        return google_access("gs://bucket/a/b", options)[0]


def written(folder: Path, name: str, content: Mapping[str, Any]) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return str(path)


def asks(found: Access) -> str:
    key = json.loads(found.config.get("service_account_key", "{}"))
    return "nobody" if key.get("disable_oauth") else found.credentials.source


def test_the_nearest_source_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert asks(access()) == "nobody"
    login = written(tmp_path / "gcloud", "application_default_credentials.json", {"type": "authorized_user"})
    assert access().config == {"application_credentials": login}
    file = written(tmp_path, "service.json", SERVICE)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
    assert access().config == {"application_credentials": file}
    assert access().driver == {"token": file}
    table = {"gs://bucket": {"token": "ya29.setting"}}
    assert access(storage=table).config == {"bearer_token": "ya29.setting"}
    assert access({"token": SERVICE}, table).config == {"service_account_key": json.dumps(SERVICE)}
    assert access({"token": SERVICE}).driver == {"token": SERVICE}
    for anonymous in ({"token": "anon"}, {"anon": True}):
        assert asks(access(anonymous, table)) == "nobody"
        assert access(anonymous).driver == {"token": "anon"}
        assert access(anonymous).config.keys() == {"service_account_key"}
    assert asks(access({"token": "google_default"})) == "GOOGLE_APPLICATION_CREDENTIALS"
    assert asks(access({"token": "cloud"})) == "the machine's account"


def test_credentials_that_obstore_lacks_are_for_the_other_driver(tmp_path: Path) -> None:
    external = written(tmp_path, "external.json", {"type": "external_account"})
    for options, said in (
        ({"token": external}, "obstore can't use credentials of the type external_account (storage options)"),
        ({"token": "browser"}, "obstore can't use a `token` of the kind browser"),
        ({"token": object()}, "obstore can't use a `token` of the kind object"),
        ({"requester_pays": True}, "obstore doesn't know the storage option 'requester_pays'"),
    ):
        (found,) = GoogleThroughObstore().problems("gs://bucket/x", options=options)
        assert found.text == said
        assert "pip install 'wkplug-cloud[gcsfs]'" in found.remedy
        assert list(GoogleThroughFsspec().problems("gs://bucket/x", options=options)) == []
        assert kvstore(access(options), "a") is None


def test_emulators_are_for_the_other_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = GoogleThroughObstore().problems("gs://b/x", options={"endpoint_url": "http://lab:1"})
    assert found.text.startswith(
        "http://lab:1 is no host of Google's: emulators and stand-ins speak the JSON interface"
    )
    private = {"endpoint_url": "https://storage.private.googleapis.com"}
    assert list(GoogleThroughObstore().problems("gs://b/x", options=private)) == []
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "localhost:1")
    assert len(list(GoogleThroughObstore().problems("gs://b/x"))) == 1
    assert access().driver == {"token": "anon", "endpoint_url": "http://localhost:1"}
    assert kvstore(access(), "a") is None
    monkeypatch.setenv("TENSORSTORE_GCS_HTTP_URL", "http://localhost:1")
    assert kvstore(access(), "a") == {"driver": "gcs", "bucket": "bucket", "path": "a/"}


def test_files_that_are_none_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for text, said in ((None, "can't be read"), ("no", "is no JSON"), ("[]", "is no JSON")):
        path = tmp_path / "x.json"
        if text is not None:
            path.write_text(text)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        place = GoogleThroughObstore().location("gs://bucket/x")
        with pytest.raises(ForbiddenError, match=said) as caught:
            place.read()
        assert caught.value.hint == "It is named by GOOGLE_APPLICATION_CREDENTIALS."
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    with pytest.raises(ForbiddenError, match="no credentials were found for it"):
        GoogleThroughObstore().location("gs://bucket/x", options={"anon": False}).read()
    with pytest.raises(InvalidArgumentError, match="names no bucket"):
        GoogleThroughObstore().location("gs://")


def test_tensorstore_is_told_only_of_whom_it_finds_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    described = {"driver": "gcs", "bucket": "bucket", "path": "a/b/"}
    file = written(tmp_path, "service.json", SERVICE)
    assert kvstore(access(), "a/b") == kvstore(access({"anon": True}), "a/b") == described
    assert kvstore(access({"token": file}), "a/b") is None
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
    assert kvstore(access(), "a/b") == kvstore(access({"token": file}), "a/b") == described
    assert kvstore(access({"anon": True}), "a/b") is None
    assert kvstore(access({"token": "ya29.mine"}), "a/b") is None
    assert "verysecret" not in repr(access({"token": SERVICE}))
