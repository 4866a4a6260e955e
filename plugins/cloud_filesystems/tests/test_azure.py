"""Who asks Azure, and where: options, settings, variables and connection strings, without any server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from wkplug_cloud.azure import azure_access
from wkplug_cloud.filesystems import AzureThroughFsspec, AzureThroughObstore

import wkplug.config
from wkplug.errors import ForbiddenError, InvalidArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wkplug_cloud.access import Access

pytestmark = pytest.mark.usefixtures("no_credentials")

KEY = {"account_name": "acct", "account_key": "dmVyeXNlY3JldA=="}
LINE = "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=a2V5;EndpointSuffix=core.windows.net"


def access(
    options: Mapping[str, Any] | None = None,
    url: str = "az://cont/a",
    storage: Mapping[str, Any] | None = None,
) -> Access:
    with wkplug.config.settings(storage=storage or {}):
        return azure_access(url, options)[0]


@pytest.mark.parametrize(
    ("url", "root", "account", "endpoint"),
    [
        ("az://cont/a/b", "az://cont/", None, None),
        ("abfs://cont/a/b", "abfs://cont/", None, None),
        ("abfss://cont@Acct.dfs.core.windows.net/a/b", "abfss://cont@Acct.dfs.core.windows.net/", "acct",
         "https://acct.blob.core.windows.net"),
        ("az://cont@acct.blob.core.chinacloudapi.cn/a/b", "az://cont@acct.blob.core.chinacloudapi.cn/", "acct",
         "https://acct.blob.core.chinacloudapi.cn"),
    ],
)  # fmt: skip
def test_urls_name_containers_and_accounts(
    url: str, root: str, account: str | None, endpoint: str | None
) -> None:
    found, path = azure_access(url)
    assert (found.root, found.bucket, path) == (root, "cont", "a/b")
    assert (found.config.get("account_name"), found.config.get("endpoint")) == (account, endpoint)


def test_urls_that_name_no_container_are_refused() -> None:
    for url, said in (
        ("az://", "names no container"),
        ("abfss://cont@acct/x", "names no account after the '@'"),
    ):
        with pytest.raises(InvalidArgumentError, match=said):
            azure_access(url)


@pytest.mark.parametrize(
    ("options", "config"),
    [
        (KEY, {"account_key": "dmVyeXNlY3JldA=="}),
        ({"account_name": "acct", "credential": "a2V5"}, {"account_key": "a2V5"}),
        ({"account_name": "acct", "sas_token": "?sv=1&sig=x"}, {"sas_key": "sv=1&sig=x"}),
        ({"account_name": "acct", "credential": "sv=1&sig=x"}, {"sas_key": "sv=1&sig=x"}),
        ({"account_name": "acct", "token": "t"}, {"token": "t"}),
        ({"account_name": "acct", "client_id": "i", "client_secret": "s", "tenant_id": "t"},
         {"client_id": "i", "client_secret": "s", "tenant_id": "t"}),
        ({"account_name": "acct", "anon": True}, {"skip_signature": True}),
        ({"account_name": "acct"}, {"skip_signature": True}),
        ({"connection_string": LINE}, {"account_key": "a2V5", "endpoint": "https://acct.blob.core.windows.net"}),
    ],
)  # fmt: skip
def test_options_of_adlfs_are_understood(options: dict[str, Any], config: dict[str, Any]) -> None:
    found = access(options)
    assert dict(found.config) == {"account_name": "acct", **config}
    assert not found.problems


def test_the_nearest_source_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", LINE)
    assert access().config["account_key"] == "a2V5"
    table = {"az://cont": {"account_name": "other", "sas_token": "sv=1&sig=x"}}
    found = access(storage=table)
    assert (found.config["account_name"], found.config["sas_key"]) == ("other", "sv=1&sig=x")
    assert "account_key" not in found.config
    assert access(KEY, storage=table).config["account_key"] == KEY["account_key"]
    for options in ({"anon": True}, {"anon": "true"}):
        assert access(options, storage=table).config.get("skip_signature") is True
        assert "sas_key" not in access(options, storage=table).config
        assert access(options).driver["anon"] is True
    development = access({"connection_string": "UseDevelopmentStorage=true"})
    assert development.config["endpoint"] == "http://127.0.0.1:10000/devstoreaccount1"
    assert development.client == {"allow_http": True}


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ForbiddenError, match="az://cont can't be reached: the storage account is not named"
    ) as caught:
        AzureThroughObstore().location("az://cont/x").read()
    assert "AZURE_STORAGE_ACCOUNT_NAME" in str(caught.value)
    with pytest.raises(InvalidArgumentError, match="`client_secret` is set, `client_id` is not"):
        access({"account_name": "acct", "client_secret": "verysecret"})
    monkeypatch.setenv("AZURE_STORAGE_CLIENT_SECRET", "s")
    monkeypatch.setenv("AZURE_STORAGE_CLIENT_ID", "i")
    found = access({"account_name": "acct"})
    assert found.credentials.problem is not None
    assert "`client_secret` is set, `tenant_id` is not" in found.credentials.problem[0]


def test_credentials_that_obstore_lacks_are_for_the_other_driver() -> None:
    for options, said in (
        ({"credential": object()}, "obstore can't use a `credential` of the type object"),
        ({"anon": False}, "anon = false without any keys asks for Azure's default credentials"),
        ({"request_session": 1}, "obstore doesn't know the storage option 'request_session'"),
    ):
        found = list(AzureThroughObstore().problems("az://cont/x", options={"account_name": "a", **options}))
        assert [one for one in found if one.text.startswith(said)]
        assert list(AzureThroughFsspec().problems("az://cont/x", options=options)) == []


def test_tensorstore_is_told_of_no_container() -> None:
    assert AzureThroughObstore().location("az://cont/x", options=KEY).native("tensorstore.kvstore") is None
    native = AzureThroughObstore().location("az://cont/x", options=KEY).native("fsspec")
    assert native == {"protocol": "az", "path": "cont/x", "options": KEY}
