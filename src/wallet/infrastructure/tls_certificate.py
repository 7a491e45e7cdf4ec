"""A certificate of this machine's own, so that a phone on the same network can log in.

Browsers keep a session only over https. What is made here is signed by nobody: each browser warns
once, and whoever reads the fingerprint on the terminal can compare it. Kept in the data directory,
and made anew when it runs out or the machine has got another address.
"""

import ipaddress
import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=397)
"""Apple's devices take nothing that is good for longer than 398 days."""
RENEWAL = timedelta(days=7)
_CERTIFICATE_FILE = "tls-certificate.pem"
_KEY_FILE = "tls-key.pem"
_PRIVATE = 0o600
_NOWHERE = ("192.0.2.1", 9)
"""RFC 5737: an address that belongs to nobody; a datagram socket that names it sends nothing."""


class CertificateInvalid(ValueError):
    """A certificate and its key must be PEM files that belong together."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where a certificate, with those it is signed by, and its private key are, both PEM."""

    certificate: Path
    key: Path

    def check(self) -> None:
        """Raise `CertificateInvalid`, which names a file and nothing of its content."""
        for path in (self.certificate, self.key):
            try:
                path.open("rb").close()
            except OSError as error:
                raise CertificateInvalid(f"{path} cannot be read: {error.strerror}.") from None
        try:
            # Without a callback OpenSSL would ask for a passphrase on the terminal.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate, self.key, password=lambda: b"")
        except (ssl.SSLError, ValueError):
            raise CertificateInvalid(
                f"{self.certificate} and {self.key} are not a certificate and its private key in "
                "PEM, without a passphrase."
            ) from None

    def fingerprint(self) -> str:
        """Return the certificate's SHA-256 as browsers show it: pairs of digits with colons."""
        certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def network_address() -> str | None:
    """Return the address by which others on the network reach this machine, None without one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_NOWHERE)
        except OSError:
            return None
        address: str = probe.getsockname()[0]
    return None if ipaddress.ip_address(address).is_loopback else address


def own_certificate(directory: Path, names: Sequence[str], now: datetime | None = None) -> TlsFiles:
    """Return the certificate for these names and addresses, making it if it is not there.

    `directory` is the data directory; the key can be read by its owner only. Raises `OSError`.
    """
    files = TlsFiles(directory / _CERTIFICATE_FILE, directory / _KEY_FILE)
    now = now or datetime.now(UTC)
    if not _fits(files, names, now):
        _make(files, names, now)
    return files


def _fits(files: TlsFiles, names: Sequence[str], now: datetime) -> bool:
    try:
        files.check()
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (CertificateInvalid, ValueError, x509.ExtensionNotFound):
        return False
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEWAL:
        return False
    return set(map(_general_name, names)) <= set(found)


def _make(files: TlsFiles, names: Sequence[str], now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Wallet on this machine")])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    alternatives = x509.SubjectAlternativeName(list(map(_general_name, names)))
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(alternatives, critical=False)
        # Not an authority: whoever trusts it trusts this machine and can be shown no other.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(purpose, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _replace(files.key, private)
    _replace(files.certificate, certificate.public_bytes(serialization.Encoding.PEM))


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
