"""S3: what a URL, options, settings, environment and profiles say of a bucket, and how engines are told.

URLs come in two forms: s3://bucket/key for the default endpoint, and s3://host[:port]/bucket/key, the form that
datasets record when an endpoint was given. The first part is taken for a host if it has a port, is "localhost", or
holds a dot; a bucket with dots in its name needs `endpoint_url` in the setting `storage`. An endpoint is spoken to by
https, except on this machine or where settings or environment say otherwise.

Credentials: the options of the call, the setting `storage`, AWS_ACCESS_KEY_ID__<SUFFIX> and
AWS_SECRET_ACCESS_KEY__<SUFFIX> for the longest suffix made of host, bucket and key parts, the variables without suffix,
a web identity or a container's role, the profile, the machine's role; else nobody.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from wkplug.abc import Problem, parts_of, storage_options
from wkplug.errors import InvalidArgumentError, redacted
from wkplug_cloud.access import (
    NOBODY,
    TUNING,
    Access,
    Credentials,
    first_set,
    half_a_pair,
    public_options,
    split_url,
    unknown_options,
)
from wkplug_cloud.key_files import key_file
from wkplug_cloud.machines import amazon_role
from wkplug_cloud.profiles import Profile, profile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["AMAZON", "kvstore", "s3_access", "suffix_credentials"]

AMAZON = "s3.amazonaws.com"
"""Stands for the host where no endpoint is given, as in the names of variables."""

_ENDPOINT_VARIABLES = ("S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
_ROLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)

_SPELLINGS = {
    "access_key_id": "key", "aws_access_key_id": "key", "username": "key",
    "secret_access_key": "secret", "aws_secret_access_key": "secret", "password": "secret",
    "session_token": "token", "aws_session_token": "token",
    "region_name": "region", "default_region": "region", "aws_region": "region",
    "endpoint": "endpoint_url", "aws_endpoint_url_s3": "endpoint_url",
    "skip_signature": "anon", "request_payer": "requester_pays", "profile_name": "profile",
}  # fmt: skip
"""What boto3, obstore and older drivers call the same options."""

_KNOWN = frozenset(
    {
        "addressing_style", "anon", "connect_timeout", "endpoint_url", "key", "profile", "read_timeout", "region",
        "requester_pays", "secret", "server_side_encryption", "sse_kms_key_id", "token", "use_ssl", "verify",
        "version_aware", "virtual_hosted_style_request",
    }
)  # fmt: skip
_WITHOUT_EFFECT = frozenset({"retries", "max_pool_connections", "tcp_keepalive", "user_agent_extra"})
_ENCRYPTION = {"ServerSideEncryption": "server_side_encryption", "SSEKMSKeyId": "sse_kms_key_id"}

# As in key:secret@bucket. What has a port instead of a password is a host; secrets may hold slashes.
_LOGIN = re.compile(r"(?!\[?[^/\s@]*\]?:\d+/)([^\s@/:]*):([^\s@]*)@")


def s3_access(url: str, options: Mapping[str, Any] | None = None) -> tuple[Access, str]:
    """Work out how to reach a URL; gives the path in the bucket, too. InvalidArgumentError if it is no S3 URL."""
    scheme, rest = split_url(url, {"s3a": "s3"})
    given = dict(options or {})
    if redacted(url) != url and "?" in redacted(url):
        raise InvalidArgumentError(
            f"{url} ends with a signature, and s3:// URLs have none.",
            hint="Give the signed link as the https:// URL that it was, or the keys as storage options.",
        )
    login = _LOGIN.match(rest)
    if login is not None:
        given = {"key": unquote(login[1]), "secret": unquote(login[2]), **given}
        rest = rest[login.end() :]
        url = f"s3://{rest}"
    place = _place(parts_of(rest, url), flat(given))
    if not place.parts:
        raise InvalidArgumentError(
            f"{url} names no bucket.",
            hint="URLs look like s3://bucket/folder or s3://host:port/bucket/folder.",
        )
    host, bucket, path = place.host, place.parts[0], "/".join(place.parts[1:])
    told = {**place.configured, **place.explicit}
    credentials = _credentials(place, told)
    region = (
        told.get("region") or first_set(*_REGION_VARIABLES) or (place.profile.region if place.profile else "")
    )
    server = f"s3://{host or AMAZON}"
    access = Access(
        provider="s3",
        scheme=scheme,
        root=f"s3://{host}/{bucket}/" if host else f"s3://{bucket}/",
        server=server,
        bucket=bucket,
        credentials=credentials,
        config=_config(place, told, credentials, region),
        client=_client(place.endpoint, told),
        driver=_driver(place.endpoint, told, credentials, region),
        given=given,
        has_secrets=len(public_options(place.explicit)) < len(place.explicit),
        public={
            **public_options(place.explicit),
            **({"endpoint_url": place.endpoint} if place.endpoint else {}),
        },
        problems=[*_problems(told), *([credentials.unable] if credentials.unable else [])],
        refused_is_missing=bool(told.get("refused_is_missing")),
        certain=place.endpoint is None,
    )
    return access, path


# --- options ----------------------------------------------------------------------------------------------


def flat(options: Mapping[str, Any]) -> dict[str, Any]:
    """Give each option the one name that it has here, also those in `client_kwargs`, `config_kwargs` and the like."""
    result: dict[str, Any] = {}
    for name, value in options.items():
        if name == "client_kwargs":
            rest = _lift(dict(value or {}), result)
        elif name == "config_kwargs":
            inner = dict(value or {})
            style = dict(inner.get("s3") or {})
            if "addressing_style" in style:
                result.setdefault("addressing_style", style.pop("addressing_style"))
                inner["s3"] = style
            if not inner.get("s3", True):
                del inner["s3"]
            rest = {one: it for one, it in _lift(inner, result).items() if one not in _WITHOUT_EFFECT}
        elif name == "s3_additional_kwargs":
            inner = dict(value or {})
            if str(inner.pop("RequestPayer", "")).lower() == "requester":
                result.setdefault("requester_pays", True)
            for theirs, ours in _ENCRYPTION.items():
                if theirs in inner:
                    result.setdefault(ours, inner.pop(theirs))
            rest = inner
        else:
            result[_SPELLINGS.get(name, name)] = value
            continue
        if rest:
            result[name] = rest
    if result.get("endpoint_url", "") is None:
        del result["endpoint_url"]
    if "virtual_hosted_style_request" in result:
        virtual = str(result.pop("virtual_hosted_style_request")).lower() == "true"
        result.setdefault("addressing_style", "virtual" if virtual else "path")
    return result


def _lift(inner: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Move the options that are known to the top; gives the others."""
    for name in list(inner):
        ours = _SPELLINGS.get(name, name)
        if ours in _KNOWN:
            value = inner.pop(name)
            result.setdefault(ours, value)
    return inner


def _problems(told: Mapping[str, Any]) -> Iterator[Problem]:
    """Say what obstore can't do of what is asked."""
    yield from unknown_options(
        (
            name
            for name, value in told.items()
            if name not in _KNOWN and name not in TUNING and value is not None
        ),
        "s3fs",
    )
    if told.get("version_aware"):
        yield from unknown_options(["version_aware"], "s3fs")


def _config(
    place: _Place, told: Mapping[str, Any], credentials: Credentials, region: str | None
) -> dict[str, Any]:
    """Spell the options as obstore takes them."""
    config: dict[str, Any] = dict(credentials.values)
    if credentials.anonymous or not credentials.source:
        config["skip_signature"] = True
    if region:
        config["region"] = region
    virtual = (
        told.get("addressing_style") or (place.profile.addressing_style if place.profile else "")
    ) == "virtual"
    if place.endpoint is not None:
        endpoint = place.endpoint
        if virtual:
            scheme, _, rest = endpoint.partition("://")
            endpoint = f"{scheme}://{place.parts[0]}.{rest}"
        # Not `endpoint`, which the variable AWS_ENDPOINT_URL_S3 would override.
        config["aws_endpoint_url_s3"] = endpoint.rstrip("/")
    if virtual:
        config["virtual_hosted_style_request"] = True
    if told.get("requester_pays"):
        config["request_payer"] = True
    for name in _ENCRYPTION.values():
        if told.get(name):
            config[name] = told[name]
    return config


def _client(endpoint: str | None, told: Mapping[str, Any]) -> dict[str, Any]:
    client: dict[str, Any] = {}
    if (endpoint or "").startswith("http://") or told.get("use_ssl") is False:
        client["allow_http"] = True
    if told.get("verify") is False:
        client["allow_invalid_certificates"] = True
    elif isinstance(told.get("verify"), str | os.PathLike):
        client["root_certificate"] = os.fspath(told["verify"])
    for name in ("connect_timeout", "read_timeout"):
        if isinstance(told.get(name), int | float):
            client[name] = f"{int(told[name] * 1000)}ms"
    return client


def _driver(
    endpoint: str | None, told: Mapping[str, Any], credentials: Credentials, region: str | None
) -> dict[str, Any]:
    """Spell the options as s3fs takes them."""
    names = ("addressing_style", "anon", "connect_timeout", "endpoint_url", "key", "profile", "read_timeout", "region",
             "refused_is_missing", "secret", "token", "verify", *_ENCRYPTION.values())  # fmt: skip
    result = {name: value for name, value in told.items() if name not in names}
    client = dict(result.pop("client_kwargs", None) or {})
    settings = dict(result.pop("config_kwargs", None) or {})
    additional = dict(result.pop("s3_additional_kwargs", None) or {})
    if credentials.anonymous or (not credentials.source and not credentials.problem):
        result["anon"] = True
    elif "access_key_id" in credentials.values:
        result["key"] = credentials.values["access_key_id"]
        result["secret"] = credentials.values["secret_access_key"]
        if credentials.values.get("session_token"):
            result["token"] = credentials.values["session_token"]
    elif told.get("profile"):
        result["profile"] = told["profile"]
    if region:
        client["region_name"] = region
    if told.get("verify") is not None:
        client["verify"] = told["verify"]
    if told.get("addressing_style"):
        settings["s3"] = {**(settings.get("s3") or {}), "addressing_style": told["addressing_style"]}
    for name in ("connect_timeout", "read_timeout"):
        if told.get(name) is not None:
            settings[name] = told[name]
    additional |= {theirs: told[ours] for theirs, ours in _ENCRYPTION.items() if told.get(ours)}
    lifted = {"client_kwargs": client, "config_kwargs": settings, "s3_additional_kwargs": additional}
    result |= {name: value for name, value in lifted.items() if value}
    if endpoint is not None:
        result["endpoint_url"] = endpoint
    return result


# --- endpoints --------------------------------------------------------------------------------------------


class _Place(NamedTuple):
    """Where a URL leads: the host as in URLs (None without endpoint), bucket and key, and who says what of it."""

    host: str | None
    endpoint: str | None
    parts: list[str]
    explicit: dict[str, Any]
    configured: dict[str, Any]
    profile: Profile | None


def _configured(parts: Sequence[str]) -> dict[str, Any]:
    return flat(storage_options("s3://" + "/".join(parts)))


def _place(parts: list[str], explicit: dict[str, Any]) -> _Place:
    """Tell endpoint, bucket and key apart and collect the options of this place."""
    literal = _configured(parts)
    asked = explicit.get("profile") or literal.get("profile") or os.environ.get("AWS_PROFILE")
    found = profile(str(asked or "default"))
    endpoint = explicit.get("endpoint_url") or literal.get("endpoint_url")
    known = [*(os.environ.get(name) for name in _ENDPOINT_VARIABLES), found.endpoint_url if found else None]
    if endpoint is None and _looks_like_host(parts):
        host = parts[0]
        candidates = [_configured(parts[1:]).get("endpoint_url"), *known]
        endpoint = next((url for url in candidates if url and urlsplit(url).netloc == host), None)
        endpoint = endpoint or f"{_guessed_scheme(host)}://{host}"
    elif endpoint is None:
        endpoint = next((url for url in known if url), None)
    if endpoint is None:
        return _Place(None, None, parts, explicit, literal, found)
    if "://" not in endpoint:
        endpoint = f"{'http' if explicit.get('use_ssl') is False else _guessed_scheme(endpoint)}://{endpoint}"
    host = urlsplit(endpoint).netloc
    bucket_parts = parts[1:] if parts and parts[0] == host else parts
    configured = _configured([host, *bucket_parts])
    by_bucket = _configured(bucket_parts)
    # Credentials that are configured for a bucket belong to the endpoint configured with it, to no other.
    if urlsplit(by_bucket.get("endpoint_url") or "").netloc == host:
        configured |= by_bucket
    return _Place(host, endpoint, bucket_parts, explicit, configured, found)


def _looks_like_host(parts: Sequence[str]) -> bool:
    return len(parts) > 1 and (parts[0] == "localhost" or ":" in parts[0] or "." in parts[0])


def _guessed_scheme(host: str) -> str:
    name = host.rpartition(":")[0] if re.search(r":\d+$", host) else host
    with contextlib.suppress(ValueError):
        return "http" if ipaddress.ip_address(name.strip("[]")).is_loopback else "https"
    return "http" if name == "localhost" else "https"


# --- credentials ------------------------------------------------------------------------------------------


def _keys(key: str, secret: str, token: str | None, source: str) -> Credentials:
    values = {"access_key_id": key, "secret_access_key": secret}
    return Credentials(values | ({"session_token": token} if token else {}), source)


def _credentials(place: _Place, told: Mapping[str, Any]) -> Credentials:
    """Find who is asking: the first source that says anything counts as a whole."""
    for options, source in ((place.explicit, "storage options"), (place.configured, "the setting storage")):
        found = _said(options, source, place)
        if found is not None:
            return found
    found = _of_environment(place)
    if found is not None:
        return found
    if place.profile is not None and (place.profile.key or place.profile.secret or place.profile.asks):
        return _of_profile(place.profile)
    if os.environ.get("AWS_PROFILE") and place.profile is None:
        return Credentials(problem=_no_profile(os.environ["AWS_PROFILE"], "AWS_PROFILE names"))
    if (place.host is None or place.host.endswith("amazonaws.com")) and amazon_role():
        return Credentials(source="the machine's role")
    if told.get("anon") is False:
        return Credentials(problem=NOBODY)
    return Credentials()


def _said(options: Mapping[str, Any], source: str, place: _Place) -> Credentials | None:
    key, secret = options.get("key"), options.get("secret")
    if options.get("anon"):
        return Credentials(source=source, anonymous=True)
    if key and secret:
        return _keys(str(key), str(secret), options.get("token"), source)
    if key or secret or options.get("token"):
        there = next(name for name in ("key", "secret", "token") if options.get(name))
        problem = half_a_pair(f"The keys in {source}", f"`{there}`", "`secret`" if key else "`key`")
        if source == "storage options":
            raise InvalidArgumentError(f"{problem[0]}.", hint=problem[1])
        return Credentials(source=source, problem=problem)
    if not options.get("profile"):
        return None
    if place.profile is None:
        return Credentials(source=source, problem=_no_profile(str(options["profile"]), f"{source} ask for"))
    return _of_profile(place.profile)


def _no_profile(name: str, who: str) -> tuple[str, str]:
    return (
        f"{who} the profile {name!r}, which is in neither of Amazon's two files",
        "Check the name: ~/.aws/config and ~/.aws/credentials are read, or what AWS_CONFIG_FILE and "
        "AWS_SHARED_CREDENTIALS_FILE name.",
    )


def _of_profile(found: Profile) -> Credentials:
    source = f"the profile {found.name}"
    if found.asks:
        text = f"{source} takes its keys from {found.asks}, which obstore can't ask"
        remedy = "s3fs can: pip install 'wkplug-cloud[s3fs]'"
        return Credentials(source=source, unable=Problem("profile", text, remedy))
    if bool(found.key) != bool(found.secret):
        names = ("aws_access_key_id", "aws_secret_access_key")
        there, missing = names if found.key else names[::-1]
        return Credentials(source=source, problem=half_a_pair(f"The keys of {source}", there, missing))
    if not found.key:
        return Credentials(source=source, problem=(f"{source} holds no keys", NOBODY[1]))
    return _keys(found.key, found.secret, found.token, source)


def _of_environment(place: _Place) -> Credentials | None:
    found = suffix_credentials(os.environ, place.host or AMAZON, place.parts)
    if found is not None:
        suffix, key, secret = found
        if key and secret:
            return _keys(key, secret, None, "the environment, by suffix")
        there, missing = f"AWS_ACCESS_KEY_ID{suffix}", f"AWS_SECRET_ACCESS_KEY{suffix}"
        return _half(*((there, missing) if key else (missing, there)))
    key, secret = (os.environ.get(name, "") for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    if key and secret:
        return _keys(key, secret, first_set("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"), "the environment")
    if key or secret:
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        return _half(*(names if key else names[::-1]))
    if first_set(*_ROLES):
        return Credentials(source="a role of the environment")  # obstore asks for it by itself
    return None


def _half(there: str, missing: str) -> Credentials:
    return Credentials(
        source="the environment", problem=half_a_pair("The keys in the environment", there, missing)
    )


def suffix_credentials(
    environ: Mapping[str, str], host: str, parts: Sequence[str]
) -> tuple[str, str, str] | None:
    """Find the suffix, key id and secret of the variables whose suffix is the longest prefix of host, bucket and key.

    Prefixes are whole components, in capitals, with "_" for whatever is not alphanumeric, joined by "__". One of the
    two may be empty: then no shorter suffix counts either.
    """
    names = [re.sub(r"[^A-Za-z0-9]", "_", part).upper() for part in (host, *parts)]
    for length in range(len(names), 0, -1):
        suffix = "__" + "__".join(names[:length])
        key = environ.get(f"AWS_ACCESS_KEY_ID{suffix}")
        secret = environ.get(f"AWS_SECRET_ACCESS_KEY{suffix}")
        if key is not None or secret is not None:
            return suffix, key or "", secret or ""
    return None


# --- tensorstore ------------------------------------------------------------------------------------------


def kvstore(access: Access, path: str) -> dict[str, Any] | None:
    """Describe a prefix for tensorstore; None where it can't be told all that matters.

    Keys are in none of it: it names a private file that holds them.
    """
    config, credentials = access.config, access.credentials
    endpoint = config.get("aws_endpoint_url_s3")
    if (
        credentials.problem
        or access.problems
        or any(config.get(name) for name in _ENCRYPTION.values())
        or access.client.keys() & {"allow_invalid_certificates", "root_certificate"}
        or (endpoint and config.get("virtual_hosted_style_request"))
        or (endpoint is None and access.client.get("allow_http"))
    ):
        return None
    result: dict[str, Any] = {"driver": "s3", "bucket": access.bucket, "path": f"{path}/" if path else ""}
    if endpoint:
        result["endpoint"] = endpoint
        # Without a region tensorstore would ask Amazon where the bucket lies.
        result["aws_region"] = config.get("region") or "us-east-1"
    elif config.get("region"):
        result["aws_region"] = config["region"]
    if config.get("request_payer"):
        result["requester_pays"] = True
    if config.get("skip_signature"):
        result["aws_credentials"] = {"type": "anonymous"}
    elif credentials.source == "the environment":
        # Naming it keeps tensorstore from asking the cloud's metadata service.
        result["aws_credentials"] = {"type": "environment"}
    elif "access_key_id" in credentials.values:
        values = credentials.values
        file = key_file(values["access_key_id"], values["secret_access_key"], values.get("session_token"))
        result["aws_credentials"] = {
            "type": "profile",
            "profile": "default",
            "credentials_file": file,
            "config_file": file,
        }
    elif credentials.source == "the machine's role":
        result["aws_credentials"] = {"type": "imds"}
    return result
