"""Where a request came from: for the audit, and for limits."""

import ipaddress
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from starlette.requests import Request

from idp.audit import Origin
from idp.services import services_of
from idp.web.pages import reference_of


def origin_of(request: Request) -> Origin:
    peer = request.client.host if request.client else None
    trusted = services_of(request).settings.trusted_networks
    if peer is not None and trusted:
        peer = client_address(peer, request.headers.getlist("x-forwarded-for"), trusted)
    return Origin(reference_of(request), peer)


def network_of(request: Request) -> str:
    """An IPv4 address, or the 64 bits that name an IPv6 network: who has one address of it has them all."""
    found: str | None = request.scope.get("idp.network")
    if found is None:
        found = request.scope["idp.network"] = _network(origin_of(request).address or "")
    return found


def _network(text: str) -> str:
    address = _address(text)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return text if address is None else str(address)


def client_address(peer: str, forwarded: Sequence[str], trusted: Sequence[IPv4Network | IPv6Network]) -> str:
    """The nearest address that is no trusted proxy's: each of them says at the end of X-Forwarded-For who came to it.

    `peer` is the connection's own. What stands before the word of a stranger, or is no address, is believed of nobody.
    """
    hops = [hop for line in forwarded for hop in line.split(",")]
    nearest = peer
    while hops and _is_trusted(nearest, trusted):
        address = _address(hops.pop())
        if address is None:
            break
        nearest = str(address)
    return nearest


def note(request: Request, **fields: str) -> None:
    """Adds to the request's log line."""
    request.scope.setdefault("idp.log", {}).update(fields)


def _is_trusted(text: str, trusted: Sequence[IPv4Network | IPv6Network]) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in trusted)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: perhaps with a port, an IPv6 one in brackets then. A zone names no other host."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
