"""What may be wrong with the head of a request, judged before anything else looks at it."""

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from starlette.types import Scope

from idp.settings import LOOPBACK_HOSTS
from idp.web import problems
from idp.web.problems import Problem

MAX_BODY = 64 * 1024
MAX_HEAD = 32 * 1024
MAX_HEADERS = 100
MAX_COOKIES = 16 * 1024
MAX_TARGET = 16 * 1024  # path and query; what is longer can be posted to the authorization endpoint
# Two of one of these are two requests, and who stands in front of us may have read the other one. The endpoints that
# read Authorization refuse two of it themselves, each in the words of its protocol.
_ONCE = frozenset({b"host", b"content-type", b"content-length", b"content-encoding", b"transfer-encoding", b"origin"})
_LENGTH = re.compile(rb"[0-9]{1,9}")
_NOT_IN_A_PATH = re.compile(r"[\x00-\x1f\x7f\ufffd]")  # control characters, and what was not UTF-8
_PORTS = {"https": 443, "http": 80}


class Rejected(Exception):
    """A request that goes no further. The reason is for the log."""

    def __init__(self, problem: Problem, reason: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(reason)
        self.problem = problem
        self.headers = headers


def hosts_of(issuer: str) -> frozenset[bytes]:
    """What a Host header may say, in lower case: the issuer's host and port. The names of loopback are one."""
    parts = urlsplit(issuer)
    names = LOOPBACK_HOSTS if parts.hostname in LOOPBACK_HOSTS else (parts.hostname or "",)
    ports = (f":{parts.port}",) if parts.port else ("", f":{_PORTS[parts.scheme]}")
    return frozenset(f"{f'[{name}]' if ':' in name else name}{port}".encode() for name in names for port in ports)


def check(scope: Scope, hosts: Collection[bytes]) -> None:
    """Raises Rejected."""
    once = _headers(scope)
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_TARGET:
        raise Rejected(problems.ADDRESS_TOO_LONG, f"path and query are longer than {MAX_TARGET}")
    _check_host(once.get(b"host"), hosts)
    if _NOT_IN_A_PATH.search(scope["path"]):
        raise Rejected(problems.NOT_FOUND, "a control character in the path, or bytes that are not UTF-8")
    _check_body(once)


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """Those that may come once. All of them are counted."""
    size = cookies = 0
    once: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name == b"cookie":
            cookies += len(value)
        elif name in once:
            raise Rejected(problems.BAD_REQUEST, f"two headers {name.decode()}")
        elif name in _ONCE:
            once[name] = value
    if size > MAX_HEAD or len(scope["headers"]) > MAX_HEADERS or cookies > MAX_COOKIES:
        raise Rejected(
            problems.HEAD_TOO_LARGE, f"{len(scope['headers'])} headers of {size} bytes, {cookies} of them cookies"
        )
    return once


def _check_host(host: bytes | None, hosts: Collection[bytes]) -> None:
    """RFC 9112 section 3.2 for one that is missing, RFC 9110 section 15.5.20 for a foreign one."""
    if host is None:
        raise Rejected(problems.BAD_REQUEST, "no Host header")
    if host.lower() not in hosts:
        ours = b" or ".join(sorted(hosts)).decode()
        raise Rejected(
            problems.MISDIRECTED,
            f"the Host header is {ascii(host[:80])[1:]}, not {ours}: "
            "a proxy does not pass it on, or IDP_ISSUER is not the address that is used",
        )


def _check_body(once: Mapping[bytes, bytes]) -> None:
    length = once.get(b"content-length", b"0")
    if once.get(b"transfer-encoding", b"chunked").lower() != b"chunked" or not _LENGTH.fullmatch(length):
        raise Rejected(problems.BAD_REQUEST, "a transfer coding other than chunked, or a length that is none")
    if int(length) > MAX_BODY:
        raise Rejected(problems.TOO_LARGE, f"a body of {int(length)} bytes is announced")
    if once.get(b"content-encoding", b"identity").lower() != b"identity":  # RFC 9110 section 12.5.3 for the header
        raise Rejected(problems.COMPRESSED, "the body is compressed", {"Accept-Encoding": "identity"})
