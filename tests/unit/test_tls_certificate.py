"""The certificate that a machine makes for itself: for whom, for how long, and to whose eyes."""

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from wallet.infrastructure.tls_certificate import (
    CertificateInvalid,
    TlsFiles,
    network_address,
    own_certificate,
)

NAMES = ("localhost", "127.0.0.1", "::1", "192.168.1.7")
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def read(files: TlsFiles) -> x509.Certificate:
    return x509.load_pem_x509_certificate(files.certificate.read_bytes())


def test_it_is_for_these_names_no_authority_and_good_for_397_days(tmp_path: Path) -> None:
    certificate = read(own_certificate(tmp_path, NAMES, NOW))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == list(NAMES)
    assert (certificate.not_valid_after_utc - NOW).days == 397
    assert certificate.not_valid_before_utc < NOW
    authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (authority.value.ca, authority.critical) == (False, True)


def test_its_key_is_for_its_owner_only(tmp_path: Path) -> None:
    files = own_certificate(tmp_path, NAMES, NOW)
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "tls-certificate.pem",
        "tls-key.pem",
    ]


def test_it_is_kept_as_long_as_it_fits(tmp_path: Path) -> None:
    first = own_certificate(tmp_path, NAMES, NOW).fingerprint()
    later = NOW + timedelta(days=389)
    assert own_certificate(tmp_path, NAMES, later).fingerprint() == first
    assert own_certificate(tmp_path, NAMES[:2], later).fingerprint() == first


@pytest.mark.parametrize(
    ("names", "days"), [(NAMES, 391), (NAMES, -1), ((*NAMES, "192.168.1.8"), 0)]
)
def test_it_is_made_anew_when_it_runs_out_or_the_machine_has_moved(
    tmp_path: Path, names: tuple[str, ...], days: int
) -> None:
    first = own_certificate(tmp_path, NAMES, NOW).fingerprint()
    assert own_certificate(tmp_path, names, NOW + timedelta(days=days)).fingerprint() != first


@pytest.mark.parametrize("lost", ["tls-certificate.pem", "tls-key.pem"])
def test_half_of_it_is_none(tmp_path: Path, lost: str) -> None:
    first = own_certificate(tmp_path, NAMES, NOW).fingerprint()
    (tmp_path / lost).write_bytes(b"")
    files = own_certificate(tmp_path, NAMES, NOW)
    files.check()
    assert files.fingerprint() != first


def test_a_fingerprint_is_written_as_browsers_write_it(tmp_path: Path) -> None:
    files = own_certificate(tmp_path, NAMES, NOW)
    der = ssl.PEM_cert_to_DER_cert(files.certificate.read_text())
    pairs = files.fingerprint().split(":")
    assert (len(pairs), {len(pair) for pair in pairs}) == (32, {2})
    assert read(files) == x509.load_der_x509_certificate(der)


def test_a_certificate_and_the_key_of_another_are_refused_without_their_content(
    tmp_path: Path,
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    mixed = TlsFiles(
        own_certificate(one, NAMES, NOW).certificate, own_certificate(other, NAMES, NOW).key
    )
    with pytest.raises(CertificateInvalid, match="are not a certificate and its private key"):
        mixed.check()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    files = own_certificate(tmp_path, NAMES, NOW)
    with pytest.raises(CertificateInvalid, match=r"nothing\.pem cannot be read"):
        TlsFiles(files.certificate, tmp_path / "nothing.pem").check()


def test_this_machine_is_not_found_at_loopback() -> None:
    assert not (network_address() or "").startswith("127.")
