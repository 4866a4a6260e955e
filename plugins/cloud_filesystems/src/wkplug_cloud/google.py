"""Google Cloud Storage: what a URL, options, settings and environment say of a bucket, and how engines are told.

Credentials: the options of the call (`token`, as gcsfs takes it, or obstore's names), the setting `storage`,
GOOGLE_APPLICATION_CREDENTIALS (or GOOGLE_SERVICE_ACCOUNT, GOOGLE_SERVICE_ACCOUNT_KEY, GOOGLE_BEARER_TOKEN), what
`gcloud auth application-default login` left in the home folder, the machine's account; else nobody.

obstore speaks Google's XML interface. Emulators and stand-ins (STORAGE_EMULATOR_HOST, `endpoint_url` outside of
googleapis.com) speak the JSON one, so for them gcsfs takes over.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wkplug.abc import Problem, parts_of, storage_options
from wkplug.errors import InvalidArgumentError
from wkplug_cloud.access import (
    NOBODY,
    TUNING,
    Access,
    Credentials,
    first_set,
    public_options,
    split_url,
    unknown_options,
)
from wkplug_cloud.machines import google_account

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["google_access", "kvstore"]

_SPELLINGS = {
    "google_application_credentials": "application_credentials", "google_service_account": "service_account",
    "google_service_account_path": "service_account", "service_account_path": "service_account",
    "google_service_account_key": "service_account_key", "skip_signature": "anon",
    "google_bearer_token": "bearer_token", "google_base_url": "base_url",
}  # fmt: skip
_KNOWN = frozenset(
    {
        "anon", "application_credentials", "base_url", "bearer_token", "endpoint_url", "requests_timeout",
        "service_account", "service_account_key", "timeout", "token",
    }
)  # fmt: skip
_KINDS = frozenset({"service_account", "authorized_user"})
"""The kinds of credential files that obstore reads; others (external accounts, impersonation) are for gcsfs."""
_VALUES = ("application_credentials", "service_account", "service_account_key", "bearer_token")
_GCSFS = "gcsfs can: pip install 'wkplug-cloud[gcsfs]'"
_JSON_ONLY = "json-only"
_DEFAULT = "https://storage.googleapis.com"


def google_access(url: str, options: Mapping[str, Any] | None = None) -> tuple[Access, str]:
    """Work out how to reach a URL; gives the path in the bucket, too. InvalidArgumentError if it is no such URL."""
    scheme, rest = split_url(url, {"gcs": "gs"})
    parts = parts_of(rest, url)
    if not parts:
        raise InvalidArgumentError(f"{url} names no bucket.", hint="URLs look like gs://bucket/folder.")
    explicit = _flat(options or {})
    configured = _flat(storage_options("gs://" + "/".join(parts)))
    told = {**configured, **explicit}
    endpoint = told.get("endpoint_url") or first_set("STORAGE_EMULATOR_HOST")
    if endpoint and "://" not in endpoint:
        endpoint = f"http://{endpoint}"  # as Google's own libraries take that variable
    if told.get("base_url"):
        endpoint = str(told["base_url"]).rstrip("/")
    credentials = _credentials(explicit, configured, told, endpoint)
    config: dict[str, Any] = dict(credentials.values)
    if _is_nobody(credentials):
        config["service_account_key"] = _key_of_nobody(endpoint or _DEFAULT)
    elif endpoint:
        config["base_url"] = endpoint
    access = Access(
        provider="gs",
        scheme=scheme,
        root=f"gs://{parts[0]}/",
        server=f"gs://{urlsplit(endpoint).netloc if endpoint else 'storage.googleapis.com'}",
        bucket=parts[0],
        credentials=credentials,
        config=config,
        client={"allow_http": True} if (endpoint or "").startswith("http://") else {},
        driver=_driver(told, credentials, endpoint),
        given=dict(options or {}),
        has_secrets=len(public_options(explicit)) < len(explicit),
        public=public_options(explicit),
        problems=[*_problems(told, endpoint), *([credentials.unable] if credentials.unable else [])],
        refused_is_missing=bool(told.get("refused_is_missing")),
        certain=endpoint is None,
    )
    return access, "/".join(parts[1:])


def _is_nobody(credentials: Credentials) -> bool:
    return credentials.anonymous or not credentials.source


def _key_of_nobody(endpoint: str) -> str:
    """The key that signs nothing: with `skip_signature` obstore would still look for somebody who puts and deletes."""
    return json.dumps(
        {
            "gcs_base_url": endpoint,
            "disable_oauth": True,
            "client_email": "",
            "private_key": "",
            "private_key_id": "",
        }
    )


def _flat(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give each option the one name that it has here."""
    result = {_SPELLINGS.get(name, name): value for name, value in options.items() if value is not None}
    if result.get("token") == "anon":
        del result["token"]
        result["anon"] = True
    return result


def _problems(told: Mapping[str, Any], endpoint: str | None) -> Iterator[Problem]:
    """Say what obstore can't do of what is asked."""
    yield from unknown_options((name for name in told if name not in _KNOWN and name not in TUNING), "gcsfs")
    host = urlsplit(endpoint).hostname or "" if endpoint else ""
    if endpoint and not told.get("base_url") and not f".{host}".endswith(".googleapis.com"):
        yield Problem(
            _JSON_ONLY,
            f"{endpoint} is no host of Google's: emulators and stand-ins speak the JSON interface, obstore the XML one",
            f"{_GCSFS}. If it does speak XML, give it as `base_url`.",
        )


# --- credentials ------------------------------------------------------------------------------------------


def _credentials(
    explicit: Mapping[str, Any], configured: Mapping[str, Any], told: Mapping[str, Any], endpoint: str | None
) -> Credentials:
    """Find who is asking: the first source that says anything counts as a whole."""
    for options, source in ((explicit, "storage options"), (configured, "the setting storage")):
        found = _said(options, source)
        if found is not None:
            return found
    if endpoint is not None and endpoint == first_set("STORAGE_EMULATOR_HOST"):
        return Credentials(source="an emulator", anonymous=True)
    for variable, name in (
        ("GOOGLE_APPLICATION_CREDENTIALS", "application_credentials"),
        ("GOOGLE_SERVICE_ACCOUNT", "service_account"),
        ("GOOGLE_SERVICE_ACCOUNT_PATH", "service_account"),
        ("GOOGLE_SERVICE_ACCOUNT_KEY", "service_account_key"),
        ("GOOGLE_BEARER_TOKEN", "bearer_token"),
    ):
        value = first_set(variable)
        if value:
            return _of({name: value}, variable)
    login = _login_of_gcloud()
    if login is not None:
        return _of({"application_credentials": str(login)}, "the login of gcloud")
    if google_account():
        return Credentials(source="the machine's account")
    if told.get("anon") is False:
        return Credentials(problem=NOBODY)
    return Credentials()


def _said(options: Mapping[str, Any], source: str) -> Credentials | None:
    if options.get("anon"):
        return Credentials(source=source, anonymous=True)
    values = {name: options[name] for name in _VALUES if options.get(name)}
    if values:
        return _of(values, source)
    token = options.get("token")
    if not token:
        return None
    if token == "cloud":  # noqa: S105 - gcsfs's name for the machine's account
        return Credentials(source="the machine's account")
    if token == "google_default":  # noqa: S105 - what is found without any option
        return None
    if isinstance(token, dict):
        return _of({"service_account_key": json.dumps(token)}, source, token)
    if isinstance(token, str) and token not in ("browser", "cache"):
        if Path(token).expanduser().exists():
            return _of({"application_credentials": str(Path(token).expanduser())}, source)
        return _of({"bearer_token": token}, source)
    text = (
        f"obstore can't use a `token` of the kind {token if isinstance(token, str) else type(token).__name__}"
    )
    return Credentials(source=source, unable=Problem("token", text, _GCSFS))


def _of(values: dict[str, Any], source: str, content: Mapping[str, Any] | None = None) -> Credentials:
    """Make credentials of a file or its content; kinds that obstore doesn't know are for gcsfs."""
    path = values.get("application_credentials") or values.get("service_account")
    if path is not None:
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            problem = (
                f"the file {path} with its credentials can't be read ({error.strerror})",
                f"It is named by {source}.",
            )
            return Credentials(source=source, problem=problem)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            return Credentials(
                source=source,
                problem=(f"the file {path} with its credentials is no JSON", f"It is named by {source}."),
            )
        values = {"application_credentials": path}
    kind = str((content or {}).get("type", "service_account"))
    if content is not None and kind not in _KINDS and not content.get("disable_oauth"):
        text = f"obstore can't use credentials of the type {kind} ({source})"
        return Credentials(values, source, unable=Problem("credentials", text, _GCSFS))
    if content is not None and path is None and kind == "authorized_user":
        text = "obstore takes a user's login as a file alone"
        return Credentials(
            values, source, unable=Problem("credentials", text, f"Give the path of the file. Or {_GCSFS}")
        )
    return Credentials(values, source)


def _login_of_gcloud() -> Path | None:
    folder = os.environ.get("CLOUDSDK_CONFIG")
    if folder is None and sys.platform == "win32":
        folder = f"{os.environ.get('APPDATA', '')}/gcloud"
    path = Path(folder or "~/.config/gcloud").expanduser() / "application_default_credentials.json"
    return path if path.is_file() else None


def _driver(told: Mapping[str, Any], credentials: Credentials, endpoint: str | None) -> dict[str, Any]:
    """Spell the options as gcsfs takes them."""
    names = {*_VALUES, "anon", "base_url", "endpoint_url", "refused_is_missing"}
    result = {name: value for name, value in told.items() if name not in names}
    values = credentials.values
    if credentials.anonymous or (not credentials.source and not credentials.problem):
        result["token"] = "anon"  # noqa: S105 - nobody
    elif values.get("application_credentials"):
        result["token"] = values["application_credentials"]
    elif values.get("service_account_key"):
        result["token"] = _content(values["service_account_key"])
    elif values.get("bearer_token"):
        result["token"] = values["bearer_token"]
    elif credentials.source == "the machine's account":
        result["token"] = "cloud"  # noqa: S105 - gcsfs's name for it
    if endpoint is not None:
        result["endpoint_url"] = endpoint
    return result


def _content(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


# --- tensorstore ------------------------------------------------------------------------------------------


def kvstore(access: Access, path: str) -> dict[str, Any] | None:
    """Describe a prefix for tensorstore; None where it would ask as somebody else, or somewhere else.

    It finds Google's default credentials by itself, and has no option for others. So it is told of a place only where
    those are the ones: the file of the variable, gcloud's login, the machine's account, or none anywhere.
    """
    credentials = access.credentials
    endpoint = access.driver.get("endpoint_url")
    emulator = os.environ.get("TENSORSTORE_GCS_HTTP_URL")  # it reads that when it is first used
    same_place = (endpoint or "").rstrip("/") == (emulator or "").rstrip("/")
    if credentials.problem or not same_place or any(one.code != _JSON_ONLY for one in access.problems):
        return None
    if endpoint is None and not _finds_the_same(access):
        return None
    return {"driver": "gcs", "bucket": access.bucket, "path": f"{path}/" if path else ""}


def _finds_the_same(access: Access) -> bool:
    """Whether tensorstore finds, by its own search, who is asking."""
    variable = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    login = _login_of_gcloud()
    file = variable or (str(login) if login else None)
    if _is_nobody(access.credentials):
        return file is None and not google_account()
    if access.config.get("application_credentials"):
        return bool(access.config["application_credentials"] == file)
    return access.credentials.source == "the machine's account" and file is None
