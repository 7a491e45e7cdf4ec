"""Where webhooks may be sent: nothing inside of anybody's network can be reached through them.

A URL is read strictly, so that nobody later reads another host out of it. Addresses are judged by a
list of ours, not by what a version of Python takes for global: RFC 6890 and its registries, and of
IPv6 only global unicast, without those ranges that carry an IPv4 address inside.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from wallet.domain.errors import Invalid

URL_LENGTH_MAX = 500
_PRINTABLE = re.compile(r"[!-~]+")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*", re.ASCII)
"""A last label like this makes a host an IPv4 address to many a resolver, in some notation."""
_PORT_MIN = 1024
_PORTS = {"https": 443, "http": 80}

REFUSED_NETWORKS: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
        "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
    )
)  # fmt: skip
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_LOOPBACK: tuple[IPv4Network | IPv6Network, ...] = (
    IPv4Network("127.0.0.0/8"),
    IPv6Network("::1/128"),
)


class WebhookUrlInvalid(Invalid):
    """Webhooks cannot be sent to this URL."""

    code = "webhook-url-invalid"


@dataclass(frozen=True, slots=True)
class Destination:
    """A URL taken apart: `target` is path and query, `host` a name or an address in lower case."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """What the `Host` header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """The address, where the URL has one and no name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Which destinations are let through; `loopback` is for development, with plain HTTP."""

    loopback: bool = False

    def destination(self, url: str) -> Destination:
        """Return where a URL leads; raise `WebhookUrlInvalid` with the reason."""
        found = _destination(url)
        if found.scheme != "https" and not self.loopback:
            raise WebhookUrlInvalid("The URL must begin with https://.", reason="https-required")
        if found.address is not None and not self.admits(found.address):
            raise _not_public()
        if found.host.rpartition(".")[2] == "localhost" and not self.loopback:
            raise _not_public()
        return found

    def admits(self, address: IPv4Address | IPv6Address) -> bool:
        """Tell whether an address may be connected to."""
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            return False
        if self.loopback and any(address in network for network in _LOOPBACK):
            return True
        if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
            return False
        return address.is_global and not any(address in network for network in REFUSED_NETWORKS)


def _destination(url: str) -> Destination:
    if len(url) > URL_LENGTH_MAX:
        raise WebhookUrlInvalid("The URL is too long.", reason="too-long")
    if not _PRINTABLE.fullmatch(url) or "\\" in url or "#" in url:
        raise _malformed()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _malformed() from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _malformed()
    if "@" in parts.netloc:
        raise WebhookUrlInvalid("The URL must not have a user in it.", reason="user-in-url")
    if port is not None and port < _PORT_MIN and port not in _PORTS.values():
        raise WebhookUrlInvalid("The port is not one for webhooks.", reason="port-refused")
    host = _host(parts.hostname)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(parts.scheme, host, port or _PORTS[parts.scheme], target)


def _host(text: str) -> str:
    """Return a host that is beyond doubt: a name, or an address in its one usual notation."""
    host = text.lower()
    if ":" in host:
        try:
            return str(IPv6Address(host))
        except ValueError:
            raise _malformed() from None
    labels = host.removesuffix(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(host))
        except ValueError:
            raise _malformed() from None
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _malformed()
    return host


def _malformed() -> WebhookUrlInvalid:
    return WebhookUrlInvalid(
        "The URL must be one such as https://shop.example/webhooks.", reason="malformed"
    )


def _not_public() -> WebhookUrlInvalid:
    return WebhookUrlInvalid("The host must have a public address.", reason="not-public")
