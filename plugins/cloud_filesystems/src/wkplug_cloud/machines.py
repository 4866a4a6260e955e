"""Whether this machine has an identity of its own in a cloud: asked once per process, and only when nothing else is
there."""

from __future__ import annotations

import contextlib
import os
from functools import lru_cache

__all__ = ["amazon_role", "google_account"]

_ADDRESS = ("169.254.169.254", 80)  # the same in all clouds
_SECONDS = 0.5


def amazon_role() -> bool:
    """Whether this is a machine of Amazon's that has a role; AWS_EC2_METADATA_DISABLED=true answers for it."""
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return False
    return _amazon_answers()


@lru_cache(maxsize=1)
def _amazon_answers() -> bool:
    token = _ask("PUT /latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 60")
    if token is None:
        return False
    role = _ask("GET /latest/meta-data/iam/security-credentials/", f"X-aws-ec2-metadata-token: {token}")
    return bool(role)


def google_account() -> bool:
    """Whether this is a machine of Google's that has an account; NO_GCE_CHECK=true answers for it."""
    if os.environ.get("NO_GCE_CHECK", "").lower() == "true":
        return False
    return _google_answers()


@lru_cache(maxsize=1)
def _google_answers() -> bool:
    found = _ask("GET /computeMetadata/v1/instance/service-accounts/", "Metadata-Flavor: Google")
    return "default" in (found or "")


def _ask(what: str, header: str) -> str | None:
    """Ask the metadata service, without the libraries that a request by name would load; None if it has no answer."""
    import socket  # late, as it takes long: few get here

    with contextlib.suppress(OSError):
        with socket.create_connection(_ADDRESS, timeout=_SECONDS) as connection:
            connection.sendall(
                f"{what} HTTP/1.0\r\nHost: {_ADDRESS[0]}\r\n{header}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            answer = b""
            while chunk := connection.recv(4096):
                answer += chunk
        head, _, body = answer.partition(b"\r\n\r\n")
        if head.split(b" ")[1:2] == [b"200"]:
            return body.decode("utf-8", "replace").strip()
    return None
