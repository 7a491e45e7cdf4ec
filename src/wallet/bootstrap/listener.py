"""How the service is reached: plain or by TLS, and what it says of that on the terminal."""

import io
import socket
from pathlib import Path

import segno

from wallet.infrastructure.tls_certificate import TlsFiles, network_address, own_certificate
from wallet.settings import Settings

_LOOPBACK = ("127.0.0.1", "::1")
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - said by the operator


def tls_files(settings: Settings, directory: Path) -> TlsFiles | None:
    """Return the certificate to serve with, None for plain HTTP.

    The service's own is made in the data `directory`, for every name this machine goes by. Raises
    `CertificateInvalid`, and `OSError` where it cannot be written.
    """
    if settings.tls_own_certificate:
        host = socket.gethostname().lower()
        names = ["localhost", *_LOOPBACK, host, f"{host.split('.')[0]}.local"]
        return own_certificate(directory, [*names, *filter(None, [network_address()])])
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        return None
    files = TlsFiles(settings.tls_certificate_file, settings.tls_key_file)
    files.check()
    return files


def with_public_url(settings: Settings) -> Settings:
    """Return the settings with an address that is right with TLS, unless one is set.

    Phones do not know this machine as localhost, so its own certificate brings its address along.
    """
    own = settings.tls_own_certificate
    if not settings.public_url_is_local or not (own or settings.tls_certificate_file):
        return settings
    host = (network_address() if own else None) or "localhost"
    return settings.model_copy(update={"public_url": f"https://{host}:{settings.port}"})


def banner(settings: Settings, tls: TlsFiles | None, where: str) -> str:
    """Return what is said once requests are answered; `where` the database is."""
    host = "localhost" if settings.host in {*_LOOPBACK, *_EVERYWHERE} else settings.host
    url = f"{'http' if tls is None else 'https'}://{host}:{settings.port}"
    lines = [
        "",
        f"  Wallet is serving on {url}  ({settings.environment.value}, {where})",
        f"  Wallet:     {url}/app, for staff {url}/console",
        f"  Try it:     {url}/docs",
        f"  Reference:  {url}/redoc",
    ]
    if not settings.production:
        lines.append(f"  Mails:      {url}/dev/mail")
    lines += ["  Next step:  sign up at /app, or with POST /users.", ""]
    if settings.tls_own_certificate and tls is not None:
        lines += _for_phones(f"{settings.public_url}/app", tls)
    return "\n".join(lines)


def _for_phones(url: str, tls: TlsFiles) -> list[str]:
    picture = io.StringIO()
    segno.make(url, micro=False).terminal(picture, compact=True)
    fingerprint = tls.fingerprint()
    return [
        *picture.getvalue().rstrip("\n").splitlines(),
        "",
        f"  Phones on the same network:  {url}",
        "  Their browsers warn once, since nobody signed the certificate. Its SHA-256 is",
        f"  {fingerprint[:48]}",
        f"  {fingerprint[48:]}",
        "",
    ]
