"""Who asks S3, and where: options, settings, variables and profiles, without any server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from wkplug_cloud.amazon import s3_access, suffix_credentials
from wkplug_cloud.filesystems import S3ThroughFsspec, S3ThroughObstore

import wkplug.config
from wkplug.abc import locate
from wkplug.errors import ForbiddenError, InvalidArgumentError, UnsafePathError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wkplug_cloud.access import Access

pytestmark = pytest.mark.usefixtures("no_credentials")

KEYS = {"key": "AKIAKEY", "secret": "verysecret"}


def access(url: str = "s3://bucket/a", options: Mapping[str, Any] | None = None, **settings: Any) -> Access:
    """Work out the access to a URL with these tables of the setting `storage`."""
    with wkplug.config.settings(storage=settings.get("storage", {})):
        return s3_access(url, options)[0]


def asks(found: Access) -> str:
    """The key that is used; "nobody", or where credentials come from."""
    config = found.config
    return str(
        config.get("access_key_id")
        or ("nobody" if config.get("skip_signature") else found.credentials.source)
    )


def problem(found: Access) -> str:
    assert found.credentials.problem is not None
    return ". ".join(found.credentials.problem)


def files(monkeypatch: pytest.MonkeyPatch, folder: Path, config: str = "", credentials: str = "") -> None:
    """Let these be the files of Amazon's tools."""
    for name, text in (("AWS_CONFIG_FILE", config), ("AWS_SHARED_CREDENTIALS_FILE", credentials)):
        path = folder / name.lower()
        path.write_text(text)
        monkeypatch.setenv(name, str(path))


# --- URLs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "options", "root", "endpoint"),
    [
        ("s3://bucket/key", {}, "s3://bucket/", None),
        ("s3://localhost:5000/bucket/key", {}, "s3://localhost:5000/bucket/", "http://localhost:5000"),
        ("s3://127.0.0.1:5000/bucket", {}, "s3://127.0.0.1:5000/bucket/", "http://127.0.0.1:5000"),
        ("s3://s3.example.org/bucket/key", {}, "s3://s3.example.org/bucket/", "https://s3.example.org"),
        ("s3://bucket/key", {"endpoint_url": "http://a:1"}, "s3://a:1/bucket/", "http://a:1"),
        ("s3://bucket/key", {"endpoint_url": "a.org"}, "s3://a.org/bucket/", "https://a.org"),
        ("s3://a:1/bucket/key", {"endpoint_url": "http://a:1"}, "s3://a:1/bucket/", "http://a:1"),
        ("s3://b/k", {"client_kwargs": {"endpoint_url": "http://a:1"}}, "s3://a:1/b/", "http://a:1"),
        ("s3a://dotted.bucket", {}, "s3://dotted.bucket/", None),
        ("S3://bucket//a/./b/../c/", {}, "s3://bucket/", None),
    ],
)
def test_endpoints_are_told_from_buckets(
    url: str, options: dict[str, Any], root: str, endpoint: str | None
) -> None:
    found = access(url, options)
    assert found.root == root
    assert found.config.get("aws_endpoint_url_s3") == endpoint
    assert found.driver.get("endpoint_url") == endpoint
    assert access(root, found.public).root == root


def test_urls_that_are_none_are_refused() -> None:
    for url, said in (
        ("s3://", "names no bucket"),
        ("simplecache::s3://b/k", "is no URL of a single place"),
        ("s3://bucket/x?X-Amz-Signature=abc&X-Amz-Credential=x", "ends with a signature"),
    ):
        with pytest.raises(InvalidArgumentError, match=said) as caught:
            access(url)
        assert "abc" not in str(caught.value)
    with pytest.raises(UnsafePathError, match="leads out of its own store"):
        access("s3://bucket/../../x")


def test_keys_in_the_url_are_options() -> None:
    found, path = s3_access("s3://AKIA:very/sec%40ret@bucket/a/b")
    assert (found.config["access_key_id"], found.config["secret_access_key"]) == ("AKIA", "very/sec@ret")
    assert (found.root, path) == ("s3://bucket/", "a/b")
    assert found.has_secrets


# --- order --------------------------------------------------------------------------------------------------


def test_the_nearest_source_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files(
        monkeypatch, tmp_path, credentials="[default]\naws_access_key_id=profile\naws_secret_access_key=s\n"
    )
    assert asks(access()) == "profile"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t")
    assert asks(access()) == "environment"
    assert access().config["session_token"] == "t"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID__S3_AMAZONAWS_COM__BUCKET", "suffix")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY__S3_AMAZONAWS_COM__BUCKET", "s")
    assert asks(access()) == "suffix"
    assert "session_token" not in access().config
    table = {"s3://bucket": {"key": "setting", "secret": "s"}, "s3://bucket/b": {"anon": True}}
    assert asks(access(storage=table)) == "setting"
    assert asks(access("s3://bucket/b/c", storage=table)) == "nobody"
    assert asks(access(options={"key": "option", "secret": "s"}, storage=table)) == "option"
    assert asks(access(options={"anon": True}, storage=table)) == "nobody"
    assert asks(access("s3://other/a", storage=table)) == "environment"


def test_nobody_asks_where_there_are_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asks(access()) == "nobody"
    assert access().driver == {"anon": True}
    assert problem(access(options={"anon": False})).startswith("no credentials were found for it")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/token")
    assert asks(access()) == "a role of the environment"
    assert "anon" not in access().driver


def test_keys_of_a_bucket_are_for_its_own_endpoint() -> None:
    table = {"s3://archive": {"endpoint_url": "http://store:9000", **KEYS}}
    found = access("s3://archive/a/b", storage=table)
    assert found.root == "s3://store:9000/archive/"
    assert asks(access(found.root + "a", storage=table)) == "AKIAKEY"
    assert asks(access("s3://other:9000/archive/a", storage=table)) == "nobody"


def test_the_endpoint_of_the_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://last:1")
    monkeypatch.setenv("S3_ENDPOINT_URL", "http://store:9000")
    assert access().root == "s3://store:9000/bucket/"
    assert access("s3://store:9000/bucket").config["aws_endpoint_url_s3"] == "http://store:9000"
    assert access("s3://elsewhere:1/bucket").config["aws_endpoint_url_s3"] == "https://elsewhere:1"


def test_suffixes_follow_the_longest_whole_prefix() -> None:
    environ = {
        f"AWS_{name}__{suffix}": f"{value}-{suffix}"
        for suffix in ("LOCALHOST_5000", "LOCALHOST_5000__MY_BUCKET", "LOCALHOST_5000__MY_BUCKET__A")
        for name, value in (("ACCESS_KEY_ID", "id"), ("SECRET_ACCESS_KEY", "secret"))
    }
    for host, parts, suffix in (
        ("localhost:5000", ["my-bucket", "a", "b"], "__LOCALHOST_5000__MY_BUCKET__A"),
        ("localhost:5000", ["my-bucket", "ab"], "__LOCALHOST_5000__MY_BUCKET"),
        ("localhost:5000", ["other"], "__LOCALHOST_5000"),
    ):
        found = suffix_credentials(environ, host, parts)
        assert found == (suffix, f"id-{suffix[2:]}", f"secret-{suffix[2:]}")
    assert suffix_credentials(environ, "localhost:5001", ["my-bucket"]) is None
    assert suffix_credentials(environ, "localhost", ["my-bucket"]) is None


# --- half a pair --------------------------------------------------------------------------------------------


def test_half_a_pair_names_the_half_that_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="`key` is set, `secret` is not") as caught:
        access(options={"key": "AKIA"})
    assert caught.value.hint == "Set `secret`, too; or take `key` away."
    with pytest.raises(InvalidArgumentError, match="`secret` is set, `key` is not") as caught:
        access(options={"client_kwargs": {"aws_secret_access_key": "verysecret"}})
    assert "verysecret" not in str(caught.value)
    assert "`key` is set, `secret` is not" in problem(access(storage={"s3://bucket": {"key": "AKIA"}}))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert "AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not" in problem(access())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID__S3_AMAZONAWS_COM__BUCKET", "k")
    assert "AWS_SECRET_ACCESS_KEY__S3_AMAZONAWS_COM__BUCKET is not" in problem(access())
    monkeypatch.delenv("AWS_ACCESS_KEY_ID__S3_AMAZONAWS_COM__BUCKET")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    files(monkeypatch, tmp_path, credentials="[default]\naws_access_key_id = k\n")
    assert "aws_access_key_id is set, aws_secret_access_key is not" in problem(access())


def test_half_a_pair_of_the_environment_is_told_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "alone")
    for kind in (S3ThroughObstore, S3ThroughFsspec):
        place = kind().location("s3://bucket/x")  # a dataset that names it opens
        with pytest.raises(ForbiddenError) as caught:
            place.read()
        assert caught.value.message == (
            "s3://bucket can't be reached: The keys in the environment are only half there: AWS_ACCESS_KEY_ID is set, "
            "AWS_SECRET_ACCESS_KEY is not."
        )
        assert caught.value.hint == "Set AWS_SECRET_ACCESS_KEY, too; or take AWS_ACCESS_KEY_ID away."
        assert place.native("tensorstore.kvstore") is None
        assert (
            kind().location("s3://bucket/x", options={"anon": True}).native("tensorstore.kvstore") is not None
        )


# --- profiles -----------------------------------------------------------------------------------------------

CONFIG = """
[default]
region = eu-north-1
[profile plain]
region = eu-west-1
endpoint_url = http://lab:9000
s3 =
    addressing_style = virtual
[profile nested]
services = lab
[services lab]
s3 =
  endpoint_url = https://nested.org
[profile sso]
sso_session = work
[profile role]
role_arn = arn:aws:iam::1:role/x
source_profile = plain
"""
CREDENTIALS = """
[plain]
aws_access_key_id = AKIAPLAIN
aws_secret_access_key = s
aws_session_token = t
[nested]
aws_access_key_id = AKIANESTED
aws_secret_access_key = s
"""


def test_profiles_that_hold_keys_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files(monkeypatch, tmp_path, CONFIG, CREDENTIALS)
    found = access(options={"profile": "plain"})
    assert dict(found.config) == {
        "access_key_id": "AKIAPLAIN", "secret_access_key": "s", "session_token": "t", "region": "eu-west-1",
        "aws_endpoint_url_s3": "http://bucket.lab:9000", "virtual_hosted_style_request": True,
    }  # fmt: skip
    assert found.root == "s3://lab:9000/bucket/"
    assert not found.problems
    monkeypatch.setenv("AWS_PROFILE", "nested")
    assert asks(access()) == "AKIANESTED"
    assert access().config["aws_endpoint_url_s3"] == "https://nested.org"
    assert asks(access(options={"profile": "plain"})) == "AKIAPLAIN"
    assert asks(access(options={"anon": True})) == "nobody"
    monkeypatch.setenv("AWS_PROFILE", "default")
    assert (asks(access()), access().config["region"]) == ("nobody", "eu-north-1")


def test_profiles_that_ask_somebody_are_for_the_other_driver(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    files(monkeypatch, tmp_path, CONFIG, CREDENTIALS)
    for name, said in (("sso", "single sign-on"), ("role", "another role")):
        options = {"profile": name}
        (found,) = S3ThroughObstore().problems("s3://bucket/x", options=options)
        assert found.text == f"the profile {name} takes its keys from {said}, which obstore can't ask"
        assert found.remedy == "s3fs can: pip install 'wkplug-cloud[s3fs]'"
        assert list(S3ThroughFsspec().problems("s3://bucket/x", options=options)) == []
        assert access(options=options).driver["profile"] == name
        assert (
            S3ThroughObstore().location("s3://bucket/x", options=options).native("tensorstore.kvstore")
            is None
        )


def test_an_unknown_profile_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "storage options ask for the profile 'no'" in problem(access(options={"profile": "no"}))
    monkeypatch.setenv("AWS_PROFILE", "gone")
    assert "AWS_PROFILE names the profile 'gone', which is in neither" in problem(access())
    assert asks(access(options=KEYS)) == "AKIAKEY"


# --- options ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"key": "AKIA", "secret": "s", "token": "t"},
        {"access_key_id": "AKIA", "secret_access_key": "s", "session_token": "t"},
        {"username": "AKIA", "password": "s", "token": "t"},
        {
            "client_kwargs": {
                "aws_access_key_id": "AKIA",
                "aws_secret_access_key": "s",
                "aws_session_token": "t",
            }
        },
    ],
)
def test_keys_have_many_spellings(options: dict[str, Any]) -> None:
    found = access(options=options)
    assert dict(found.config) == {"access_key_id": "AKIA", "secret_access_key": "s", "session_token": "t"}
    assert dict(found.driver) == {"key": "AKIA", "secret": "s", "token": "t"}
    assert not found.problems


def test_options_of_s3fs_are_understood() -> None:
    options = {
        **KEYS,
        "client_kwargs": {"endpoint_url": "https://lab.org", "region_name": "eu-west-1", "verify": False},
        "config_kwargs": {
            "s3": {"addressing_style": "virtual"},
            "connect_timeout": 3,
            "retries": {"max_attempts": 9},
        },
        "s3_additional_kwargs": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k"},
        "requester_pays": True,
        "default_block_size": 1,
        "use_listings_cache": False,
    }
    found = access(options=options)
    assert dict(found.config) == {
        "access_key_id": "AKIAKEY", "secret_access_key": "verysecret", "region": "eu-west-1",
        "aws_endpoint_url_s3": "https://bucket.lab.org", "virtual_hosted_style_request": True,
        "request_payer": True, "server_side_encryption": "aws:kms", "sse_kms_key_id": "k",
    }  # fmt: skip
    assert dict(found.client) == {"allow_invalid_certificates": True, "connect_timeout": "3000ms"}
    assert not found.problems
    assert found.driver["client_kwargs"] == {"region_name": "eu-west-1", "verify": False}
    assert found.driver["s3_additional_kwargs"] == {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k"}


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"session": object()}, "session"),
        ({"client_kwargs": {"config": object()}}, "client_kwargs"),
        ({"config_kwargs": {"proxies": {}}}, "config_kwargs"),
        ({"version_aware": True}, "version_aware"),
    ],
)
def test_options_that_obstore_lacks_are_for_the_other_driver(options: dict[str, Any], name: str) -> None:
    (found,) = S3ThroughObstore().problems("s3://bucket/x", options=options)
    assert found.text == f"obstore doesn't know the storage option '{name}'"
    assert list(S3ThroughFsspec().problems("s3://bucket/x", options=options)) == []


def test_a_missing_driver_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from wkplug_cloud import drivers

    monkeypatch.setattr(drivers, "find_spec", lambda _: None)
    (found,) = S3ThroughFsspec().problems("s3://bucket/x")
    assert (found.text, found.remedy) == (
        "the driver s3fs is not installed",
        "pip install 'wkplug-cloud[s3fs]'",
    )


def test_machines_are_asked_only_where_it_may_help(monkeypatch: pytest.MonkeyPatch) -> None:
    from wkplug_cloud import amazon

    monkeypatch.setattr(amazon, "amazon_role", lambda: True)
    assert asks(access()) == "the machine's role"
    assert asks(access("s3://lab:9000/bucket")) == "nobody"
    assert asks(access(options=KEYS)) == "AKIAKEY"
    assert os.environ["AWS_EC2_METADATA_DISABLED"] == "true"


def test_how_a_bucket_is_reached_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def counting(url: str, options: Mapping[str, Any] | None = None) -> tuple[Access, str]:
        asked.append(url)
        return s3_access(url, options)

    monkeypatch.setattr(S3ThroughObstore, "access", staticmethod(counting))
    assert locate("s3://bucket/a/b").url == "s3://bucket/a/b"
    assert asked == ["s3://bucket/a/b"]
