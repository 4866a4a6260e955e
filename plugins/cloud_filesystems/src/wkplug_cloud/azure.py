"""Azure Blob Storage: what a URL, options, settings and environment say of a container.

URLs: az://container/path (abfs://, abfss:// alike), with the account in options, settings or environment; or
abfss://container@account.dfs.core.windows.net/path, which names it.

Credentials: the options of the call (as adlfs takes them, or by obstore's names), the setting `storage`, the variables
AZURE_STORAGE_*, a workload's identity; else nobody. A connection string counts as what it holds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wkplug.abc import Problem, parts_of, storage_options
from wkplug.errors import InvalidArgumentError
from wkplug_cloud.access import (
    TUNING,
    Access,
    Credentials,
    first_set,
    half_a_pair,
    public_options,
    split_url,
    unknown_options,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["azure_access"]

_SPELLINGS = {
    "azure_storage_account_name": "account_name", "azure_storage_account_key": "account_key",
    "access_key": "account_key", "sas_key": "sas_token", "bearer_token": "token", "skip_signature": "anon",
    "endpoint": "endpoint_url", "authority_id": "tenant_id",
}  # fmt: skip
_KNOWN = frozenset(
    {
        "account_host", "account_key", "account_name", "anon", "client_id", "client_secret", "connection_string",
        "connection_timeout", "credential", "endpoint_url", "federated_token_file", "read_timeout", "sas_token",
        "tenant_id", "timeout", "token", "use_azure_cli", "assume_container_exists",
    }
)  # fmt: skip
_ADLFS = "adlfs can: pip install 'wkplug-cloud[adlfs]'"
_DEVELOPMENT = "devstoreaccount1"
_DEVELOPMENT_KEY = (  # known to everybody: of the emulator
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
_VARIABLES = {
    "account_name": ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"),
    "account_key": ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCESS_KEY"),
    "sas_token": ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"),
    "connection_string": ("AZURE_STORAGE_CONNECTION_STRING",),
    "client_id": ("AZURE_STORAGE_CLIENT_ID", "AZURE_CLIENT_ID"),
    "client_secret": ("AZURE_STORAGE_CLIENT_SECRET", "AZURE_CLIENT_SECRET"),
    "tenant_id": ("AZURE_STORAGE_TENANT_ID", "AZURE_TENANT_ID"),
    "token": ("AZURE_STORAGE_TOKEN",),
    "anon": ("AZURE_STORAGE_ANON",),
    "endpoint_url": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
    "federated_token_file": ("AZURE_FEDERATED_TOKEN_FILE",),
}
_SECRET = ("account_key", "sas_token", "client_secret", "token", "federated_token_file", "use_azure_cli")
_HOST = re.compile(r"([a-z0-9]+)\.(?:blob|dfs)\.(.+)", re.IGNORECASE)


def azure_access(url: str, options: Mapping[str, Any] | None = None) -> tuple[Access, str]:
    """Work out how to reach a URL; gives the path in the container, too. InvalidArgumentError if it is no such URL."""
    scheme, rest = split_url(url, {})
    parts = parts_of(rest, url)
    container, _, host = (parts[0] if parts else "").partition("@")
    if not container:
        raise InvalidArgumentError(
            f"{url} names no container.",
            hint="URLs look like az://container/folder or abfss://container@account.dfs.core.windows.net/folder.",
        )
    named = _HOST.fullmatch(host)
    if host and named is None:
        raise InvalidArgumentError(
            f"{url} names no account after the '@'.",
            hint="URLs look like abfss://container@account.dfs.core.windows.net/folder.",
        )
    explicit = _flat(options or {})
    configured = _flat(storage_options(f"{scheme}://" + "/".join(parts)))
    if not configured and scheme != "az" and not host:
        configured = _flat(storage_options("az://" + "/".join(parts)))
    environment = _flat(
        {name: value for name, variables in _VARIABLES.items() if (value := first_set(*variables))}
    )
    sources = (
        (explicit, "storage options"),
        (configured, "the setting storage"),
        (environment, "the environment"),
    )
    told = {**environment, **configured, **explicit}
    if named is not None:
        told["account_name"] = named[1].lower()
        told.setdefault("account_host", f"{named[1].lower()}.blob.{named[2]}")
    credentials = _credentials(sources, told)
    endpoint = _endpoint(told)
    config: dict[str, Any] = dict(credentials.values)
    if credentials.anonymous or not credentials.source:
        config["skip_signature"] = True
    if told.get("account_name"):
        config["account_name"] = told["account_name"]
    if endpoint:
        config["endpoint"] = endpoint
    access = Access(
        provider="az",
        scheme=scheme,
        root=f"{scheme}://{parts[0]}/",
        server=f"az://{told.get('account_name', '')}",
        bucket=container,
        credentials=credentials,
        config=config,
        client={"allow_http": True} if (endpoint or "").startswith("http://") else {},
        driver=_driver(explicit, configured, told, credentials, endpoint),
        given=dict(options or {}),
        has_secrets=len(public_options(explicit)) < len(explicit),
        public=public_options(explicit),
        problems=[
            *_problems({**configured, **explicit}),
            *([credentials.unable] if credentials.unable else []),
        ],
        refused_is_missing=bool(told.get("refused_is_missing")),
        certain=endpoint is None,
    )
    return access, "/".join(parts[1:])


def _flat(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give each option the one name that it has here, and take a connection string apart."""
    result = {_SPELLINGS.get(name, name): value for name, value in options.items() if value is not None}
    if isinstance(result.get("anon"), str):
        result["anon"] = result["anon"].lower() not in ("false", "0", "f", "")
    credential = result.get("credential")
    if isinstance(credential, str):
        del result["credential"]
        result.setdefault("sas_token" if "sig=" in credential else "account_key", credential)
    text = result.pop("connection_string", None)
    return {**_connection(str(text)), **result} if text else result


def _connection(text: str) -> dict[str, Any]:
    """Take a connection string apart."""
    pairs = dict(one.partition("=")[::2] for one in text.split(";") if "=" in one)
    found = {name.strip().lower(): value.strip() for name, value in pairs.items()}
    if found.get("usedevelopmentstorage", "").lower() == "true":
        found = {"accountname": _DEVELOPMENT, "accountkey": _DEVELOPMENT_KEY,
                 "blobendpoint": f"http://127.0.0.1:10000/{_DEVELOPMENT}"} | found  # fmt: skip
    result = {
        "account_name": found.get("accountname"),
        "account_key": found.get("accountkey"),
        "sas_token": found.get("sharedaccesssignature"),
        "endpoint_url": found.get("blobendpoint"),
    }
    suffix = found.get("endpointsuffix")
    if suffix and result["account_name"] and not result["endpoint_url"]:
        protocol = found.get("defaultendpointsprotocol", "https")
        result["endpoint_url"] = f"{protocol}://{result['account_name']}.blob.{suffix}"
    if result["endpoint_url"] and not result["account_name"]:
        result["account_name"] = (urlsplit(result["endpoint_url"]).hostname or "").partition(".")[0]
    return {name: value for name, value in result.items() if value}


def _endpoint(told: Mapping[str, Any]) -> str | None:
    if told.get("endpoint_url"):
        return str(told["endpoint_url"]).rstrip("/")
    host = told.get("account_host")
    if not host:
        return None
    if "://" not in host:
        local = host.partition(":")[0] in ("127.0.0.1", "localhost")
        host = f"{'http' if local else 'https'}://{host}"
    return str(host).rstrip("/")


def _problems(told: Mapping[str, Any]) -> Iterator[Problem]:
    """Say what obstore can't do of what is asked."""
    yield from unknown_options((name for name in told if name not in _KNOWN and name not in TUNING), "adlfs")
    if told.get("credential") is not None:
        text = f"obstore can't use a `credential` of the type {type(told['credential']).__name__}"
        yield Problem("credential", text, _ADLFS)


# --- credentials ------------------------------------------------------------------------------------------


def _credentials(sources: tuple[tuple[Mapping[str, Any], str], ...], told: Mapping[str, Any]) -> Credentials:
    """Find who is asking: the first source that says anything counts as a whole."""
    found = next((one for options, source in sources if (one := _said(options, source, told))), None)
    if found is None and told.get("anon") is False:
        text = (
            "anon = false without any keys asks for Azure's default credentials, which obstore can't look for"
        )
        found = Credentials(source="Azure's default credentials", unable=Problem("credentials", text, _ADLFS))
    found = found or Credentials()
    if told.get("account_name") or told.get("endpoint_url") or found.problem or found.unable:
        return found
    return found._replace(
        problem=(
            "the storage account is not named",
            "Give `account_name` in the setting `storage`, or set AZURE_STORAGE_ACCOUNT_NAME; or write "
            "abfss://container@account.dfs.core.windows.net/folder.",
        )
    )


def _said(options: Mapping[str, Any], source: str, told: Mapping[str, Any]) -> Credentials | None:
    if options.get("anon"):
        return Credentials(source=source, anonymous=True)
    if options.get("credential") is not None:
        return Credentials(source=source)
    if options.get("account_key"):
        return Credentials({"account_key": options["account_key"]}, source)
    if options.get("sas_token"):
        return Credentials({"sas_key": str(options["sas_token"]).lstrip("?")}, source)
    if options.get("token"):
        return Credentials({"token": options["token"]}, source)
    if options.get("use_azure_cli"):
        return Credentials({"use_azure_cli": True}, source)
    secret = "client_secret" if options.get("client_secret") else "federated_token_file"
    names = ("client_id", "tenant_id", secret)
    if options.get(secret):
        missing = next((name for name in names[:2] if not told.get(name)), None)
        if missing:
            problem = half_a_pair(f"The credentials in {source}", f"`{secret}`", f"`{missing}`")
            if source == "storage options":
                raise InvalidArgumentError(f"{problem[0]}.", hint=problem[1])
            return Credentials(source=source, problem=problem)
        return Credentials({name: told[name] for name in names}, source)
    return None


def _driver(
    explicit: Mapping[str, Any],
    configured: Mapping[str, Any],
    told: Mapping[str, Any],
    credentials: Credentials,
    endpoint: str | None,
) -> dict[str, Any]:
    """Spell the options as adlfs takes them."""
    dropped = {"account_host", "anon", "endpoint_url", "refused_is_missing", *_SECRET}
    result = {name: value for name, value in {**configured, **explicit}.items() if name not in dropped}
    values = dict(credentials.values)
    if "sas_key" in values:
        values["sas_token"] = values.pop("sas_key")
    result |= {name: value for name, value in values.items() if name in ("account_key", "sas_token", "client_id",
                                                                         "client_secret", "tenant_id")}  # fmt: skip
    if told.get("account_name"):
        result["account_name"] = told["account_name"]
    if credentials.anonymous or (not credentials.source and not credentials.problem):
        result["anon"] = True
    if endpoint and "account_key" in values:
        # adlfs knows endpoints with a path of their own, as the emulator's, from connection strings alone.
        result["connection_string"] = (
            f"DefaultEndpointsProtocol={urlsplit(endpoint).scheme};AccountName={told.get('account_name', '')};"
            f"AccountKey={values['account_key']};BlobEndpoint={endpoint};"
        )
    elif endpoint:
        result["account_host"] = endpoint.partition("://")[2]
    return result
