"""Which hosts this service may call, and which network addresses a name may stand for.

An address in a request (`fhirServer`, `jku`, a subscription's endpoint) is chosen by a stranger. What keeps it from
reaching machines of our own network is a list written by the operator, checked twice: the name before anything is
looked up, the looked-up addresses before anything is sent.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from service.errors import Fault, InvalidInput, OutboundRefused
from service.records import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

DEFAULT_PORTS = {"http": 80, "https": 443}
HOSTS = "HIPSPINE_OUTBOUND_HOSTS"
PRIVATE_HOSTS = "HIPSPINE_OUTBOUND_PRIVATE_HOSTS"

# name, *.name, an IPv4 address or an IPv6 address in brackets; then a port, or * for every port.
_ENTRY = re.compile(r"(?P<host>(?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::(?P<port>\d{1,5}|\*))?")
# Control characters, spaces and backslashes are read differently by different parsers of addresses.
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
# Where clouds hand out credentials to whoever asks from the machine itself: never, whatever is listed.
_METADATA = frozenset({ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")})
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a call goes: a checked scheme, host and port. `private`: the host may be one of our own network."""

    scheme: str
    host: str
    port: int
    private: bool

    @property
    def origin(self) -> str:
        """Scheme, host and port; two addresses share credentials only if this is the same."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Entry:
    host: str
    port: int | None  # None: the default port of the scheme
    any_port: bool
    private: bool

    def covers(self, scheme: str, host: str, port: int) -> bool:
        named = host.endswith(self.host[1:]) if self.host.startswith("*.") else host == self.host
        return named and (self.any_port or port == (self.port or DEFAULT_PORTS[scheme]))


@dataclass(frozen=True, slots=True)
class AllowedHosts:
    """The hosts that may be called. Empty: none."""

    entries: tuple[_Entry, ...] = ()

    @classmethod
    def parse(cls, hosts: str, private_hosts: str = "") -> AllowedHosts:
        """The list of the two settings; InvalidInput that names every entry that is none."""
        faults: list[Fault] = []
        entries: list[_Entry] = []
        for setting, text, private in ((PRIVATE_HOSTS, private_hosts, True), (HOSTS, hosts, False)):
            for entry in filter(None, (part.strip().lower() for part in text.split(","))):
                match = _ENTRY.fullmatch(entry)
                port = match["port"] if match else None
                if match is None or (port not in (None, "*") and not 1 <= int(port or 0) <= 65535):
                    faults.append(
                        Fault(
                            "value",
                            "An entry is not a host.",
                            where=setting,
                            rule="Entries are host, host:port, host:* or *.domain, separated by commas.",
                            repair="Leave scheme and path out: ehr.hospital.example:8443",
                        )
                    )
                    continue
                number = int(port) if port not in (None, "*") else None
                entries.append(_Entry(match["host"].strip("[]"), number, port == "*", private))
        if faults:
            raise InvalidInput(faults)
        return cls(tuple(entries))

    def target(self, url: str, *, where: str = "") -> Target:
        """The target of an address; OutboundRefused if it is not of a listed host. Looks nothing up."""
        target = _parts(url, where)
        return self.host_target(target.scheme, target.host, target.port, where=where)

    def host_target(self, scheme: str, host: str, port: int, *, where: str = "") -> Target:
        """The same for a host and port already taken apart."""
        covering = [entry for entry in self.entries if entry.covers(scheme, host.lower(), port)]
        if not covering:
            raise OutboundRefused(
                Fault(
                    "business-rule",
                    "The host of this address is not one that this service may call.",
                    where=where,
                    rule=f"Only hosts (with their ports) of the settings {HOSTS} and {PRIVATE_HOSTS} are called.",
                    repair=f"Ask the operator of this service to list the host, as name or name:port, in {HOSTS}.",
                )
            )
        return Target(scheme, host.lower(), port, any(entry.private for entry in covering))


def _parts(url: str, where: str) -> Target:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    scheme = parts.scheme.lower()
    plain = host.isascii() and not _UNSAFE.search(url) and "@" not in parts.netloc and "%" not in parts.netloc
    if scheme not in DEFAULT_PORTS or not host or not plain or port == 0:
        raise OutboundRefused(
            Fault(
                "value",
                "This is not an address that can be called.",
                where=where,
                rule="Addresses are absolute, http or https, without user name, spaces and control characters.",
                repair="Give an address such as https://ehr.hospital.example/fhir",
            )
        )
    return Target(scheme, host, port or DEFAULT_PORTS[scheme], private=False)


def callable_address(text: str, *, private: bool) -> bool:
    """Whether a looked-up address may be called: a public one, or one of our own network where `private` says so.

    Addresses that carry another one inside (mapped, 6to4, Teredo, NAT64) are judged by both. Link-local addresses are never
    called: that is where clouds keep the credentials of their machines.
    """
    return all(_single(address, private) for address in _unwrapped(ipaddress.ip_address(text.split("%")[0])))


def _single(address: Address, private: bool) -> bool:
    if address in _METADATA or address.is_link_local or address.is_multicast or address.is_unspecified:
        return False
    # is_reserved of IPv6 covers the prefixes of mapped addresses and NAT64, which are judged by what they carry.
    if address.version == 4 and address.is_reserved:
        return False
    return address.is_global or private


def _unwrapped(address: Address) -> tuple[Address, ...]:
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address in _NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    if address.sixtofour is not None:
        return (address, address.sixtofour)
    if address.teredo is not None:
        return (address, *address.teredo)
    return (address,)
