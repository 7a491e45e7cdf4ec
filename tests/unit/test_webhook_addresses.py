"""Where webhooks may be sent: the table of attacks on the inside of a network."""

from ipaddress import ip_address

import pytest

from wallet.domain.webhook_addresses import AddressPolicy, WebhookUrlInvalid

PUBLIC = AddressPolicy()
DEVELOPMENT = AddressPolicy(loopback=True)


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "target"),
    [
        ("https://shop.example/webhooks", "shop.example", 443, "shop.example", "/webhooks"),
        ("https://shop.example", "shop.example", 443, "shop.example", "/"),
        ("HTTPS://Shop.Example:8443/a?b=c", "shop.example", 8443, "shop.example:8443", "/a?b=c"),
        ("https://93.184.216.34/x", "93.184.216.34", 443, "93.184.216.34", "/x"),
        (
            "https://[2606:2800:220:1::1]:8443/",
            "2606:2800:220:1::1",
            8443,
            "[2606:2800:220:1::1]:8443",
            "/",
        ),
        ("https://xn--bcher-kva.example/%C3%BC", "xn--bcher-kva.example", 443, None, "/%C3%BC"),
        ("https://a_b.example/", "a_b.example", 443, "a_b.example", "/"),
    ],
)
def test_a_public_url_is_taken_apart(
    url: str, host: str, port: int, authority: str | None, target: str
) -> None:
    found = PUBLIC.destination(url)
    assert (found.host, found.port, found.target) == (host, port, target)
    assert found.authority == (authority or host)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        # Without TLS, or not HTTP at all.
        ("http://shop.example/", "https-required"),
        ("ftp://shop.example/", "malformed"),
        ("file:///etc/passwd", "malformed"),
        ("gopher://127.0.0.1:6379/_x", "malformed"),
        ("//shop.example/", "malformed"),
        ("shop.example/hooks", "malformed"),
        ("https://", "malformed"),
        ("https:///hooks", "malformed"),
        ("", "malformed"),
        # Loopback, private, link-local and the cloud's metadata, shared, reserved.
        ("https://127.0.0.1/", "not-public"),
        ("https://127.8.9.10/", "not-public"),
        ("https://0.0.0.0/", "not-public"),
        ("https://10.0.0.1/", "not-public"),
        ("https://172.16.0.1/", "not-public"),
        ("https://172.31.255.255/", "not-public"),
        ("https://192.168.1.1/", "not-public"),
        ("https://169.254.169.254/latest/meta-data/", "not-public"),
        ("https://100.64.0.1/", "not-public"),
        ("https://192.0.0.192/", "not-public"),
        ("https://198.18.0.1/", "not-public"),
        ("https://192.0.2.1/", "not-public"),
        ("https://224.0.0.1/", "not-public"),
        ("https://255.255.255.255/", "not-public"),
        ("https://localhost/", "not-public"),
        ("https://a.localhost/", "not-public"),
        # IPv6, and what it carries inside.
        ("https://[::1]/", "not-public"),
        ("https://[::]/", "not-public"),
        ("https://[fe80::1]/", "not-public"),
        ("https://[fc00::1]/", "not-public"),
        ("https://[fd12:3456::1]/", "not-public"),
        ("https://[ff02::1]/", "not-public"),
        ("https://[fec0::1]/", "not-public"),
        ("https://[::ffff:127.0.0.1]/", "not-public"),
        ("https://[::ffff:93.184.216.34]/", "not-public"),
        ("https://[::127.0.0.1]/", "not-public"),
        ("https://[64:ff9b::7f00:1]/", "not-public"),
        ("https://[64:ff9b:1::1]/", "not-public"),
        ("https://[2002:7f00:1::]/", "not-public"),
        ("https://[2001:0:7f00:1::]/", "not-public"),
        ("https://[2001:db8::1]/", "not-public"),
        ("https://[100::1]/", "not-public"),
        ("https://[fe80::1%25eth0]/", "not-public"),
        ("https://[2606:4700::1%25eth0]/", "not-public"),
        # The same addresses in notations that some resolver understands.
        ("https://2130706433/", "malformed"),
        ("https://0x7f000001/", "malformed"),
        ("https://0x7f.0.0.1/", "malformed"),
        ("https://0177.0.0.1/", "malformed"),
        ("https://017700000001/", "malformed"),
        ("https://127.1/", "malformed"),
        ("https://127.0.0.1./", "malformed"),
        ("https://0x7f.1/", "malformed"),
        ("https://1.2.3.4.5/", "malformed"),
        ("https://127.0.0.0x1/", "malformed"),
        ("https://\u0661\u0662\u0667.0.0.1/", "malformed"),
        ("https://\uff11\uff12\uff17.0.0.1/", "malformed"),
        # What one reader takes for the host, and another does not.
        ("https://user@shop.example/", "user-in-url"),
        ("https://shop.example@127.0.0.1/", "user-in-url"),
        ("https://user:word@shop.example/", "user-in-url"),
        ("https://127.0.0.1\\@shop.example/", "malformed"),
        ("https://shop.example\\.evil.example/", "malformed"),
        ("https://shop.example#@127.0.0.1/", "malformed"),
        ("https://shop.example/#fragment", "malformed"),
        ("https://shop.example/a b", "malformed"),
        ("https://shop.example/\r\nhost: inside", "malformed"),
        ("https://shop.example/\x00", "malformed"),
        ("https://shop..example/", "malformed"),
        ("https://-shop.example/", "malformed"),
        ("https://sh%6fp.example/", "malformed"),
        ("https://[shop.example]/", "malformed"),
        ("https://[::1/", "malformed"),
        ("https://b\u00fccher.example/", "malformed"),
        # Ports of other protocols.
        ("https://shop.example:22/", "port-refused"),
        ("https://shop.example:25/", "port-refused"),
        ("https://shop.example:0/", "port-refused"),
        ("https://shop.example:65536/", "malformed"),
        ("https://shop.example:-1/", "malformed"),
        ("https://shop.example:x/", "malformed"),
        ("https://shop.example/" + "a" * 500, "too-long"),
    ],
)
def test_a_url_that_leads_inside_or_is_in_doubt_is_refused(url: str, reason: str) -> None:
    with pytest.raises(WebhookUrlInvalid) as refused:
        PUBLIC.destination(url)
    assert refused.value.facts == {"reason": reason}


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "1.1.1.1",
        "172.15.255.255",
        "172.32.0.1",
        "100.128.0.1",
        "198.20.0.1",
        "2606:4700::1111",
        "2a00:1450:4001::1",
    ],
)  # fmt: skip
def test_a_public_address_may_be_connected_to(address: str) -> None:
    assert PUBLIC.admits(ip_address(address))


def test_development_may_reach_this_machine_without_tls_and_nothing_else_inside() -> None:
    for url in ("http://localhost:3000/hooks", "http://127.0.0.1:3000/", "http://[::1]:3000/"):
        assert DEVELOPMENT.destination(url).scheme == "http"
    for url in ("http://192.168.1.1/", "http://169.254.169.254/", "http://[fd00::1]/"):
        with pytest.raises(WebhookUrlInvalid):
            DEVELOPMENT.destination(url)
    assert not DEVELOPMENT.admits(ip_address("10.0.0.1"))
    assert not DEVELOPMENT.admits(ip_address("::ffff:127.0.0.1"))
    assert not DEVELOPMENT.admits(ip_address("fe80::1%lo"))
