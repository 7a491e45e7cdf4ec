"""Settings: complete in `.env.example`, secret where they must be, and safe in production."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.conftest import settings_of

from wallet.settings import PREFIX, Settings, SettingsUnsafe

EXAMPLE = Path(__file__).parents[2] / ".env.example"
SAFE = {
    "environment": "production",
    "database_url": "postgresql://service:secret-of-the-database@db/wallet",
    "signing_key": "-----BEGIN PRIVATE KEY-----",
    "second_factor_key": "secret-of-the-second-factors-made-of-much",
    "webhook_key": "secret-of-webhooks",
    "public_url": "https://wallet.example",
    "smtp_url": "smtp://user:secret-of-the-mail@mail:587",
    "mail_from": "Wallet <no-reply@wallet.example>",
    "allow_sandbox": True,
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{PREFIX}{name.upper()}", raising=False)


def test_the_example_names_every_setting_and_no_other() -> None:
    named = re.findall(r"^#?(WALLET_[A-Z_]+)=", EXAMPLE.read_text(), re.MULTILINE)
    assert named == [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]


def test_the_example_taken_as_it_is_changes_nothing(tmp_path: Path) -> None:
    text = re.sub(r"^#(WALLET_)", r"\1", EXAMPLE.read_text(), flags=re.MULTILINE)
    (tmp_path / ".env").write_text(text)
    assert Settings().model_dump() == settings_of().model_dump()


def test_production_takes_safe_settings() -> None:
    settings_of(**SAFE).check()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", None),
        ("signing_key", None),
        ("signing_key", ""),
        ("second_factor_key", None),
        ("webhook_key", None),
        ("webhook_key", ""),
        ("webhook_loopback", True),
        ("public_url", "http://wallet.example"),
        ("smtp_url", None),
        ("mail_from", "Wallet <no-reply@localhost>"),
        ("password_length_min", 8),
        ("cors_origins", ("*",)),
        ("log_level", "debug"),
        ("allow_sandbox", False),
    ],
)
def test_production_refuses_what_is_unsafe_and_names_the_setting(name: str, value: object) -> None:
    with pytest.raises(SettingsUnsafe) as refused:
        settings_of(**{**SAFE, name: value}).check()
    assert f"WALLET_{name.upper()}" in str(refused.value)
    assert "secret-of" not in str(refused.value)
    assert "BEGIN PRIVATE KEY" not in str(refused.value)


def test_development_takes_the_defaults() -> None:
    settings_of().check()


def test_a_secret_comes_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("the key\n")
    monkeypatch.setenv("WALLET_SIGNING_KEY_FILE", str(tmp_path / "key"))
    key = Settings().signing_key
    assert key is not None
    assert key.get_secret_value() == "the key"


def test_a_secret_file_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WALLET_SIGNING_KEY_FILE", "/nowhere/key")
    with pytest.raises(SettingsUnsafe, match="WALLET_SIGNING_KEY_FILE"):
        Settings()


def test_secrets_do_not_show() -> None:
    shown = repr(settings_of(**SAFE)) + str(settings_of(**SAFE).model_dump())
    assert "secret-of" not in shown
    assert "BEGIN PRIVATE KEY" not in shown


def test_a_wrong_value_is_not_echoed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WALLET_PORT", "secret-of-the-port")
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert "secret-of-the-port" not in str(refused.value)
    assert "port" in str(refused.value)


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WALLET_CORS_ORIGINS", "https://a.example, https://b.example")
    assert Settings().cors_origins == ("https://a.example", "https://b.example")


def test_pauses_between_attempts_are_whole_seconds_within_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WALLET_WEBHOOK_RETRIES_S", "1, 2,3")
    assert Settings().webhook_retries_s == (1, 2, 3)
    for wrong in ("0", "x", "1,-2", "604801", ",".join("1" * 51)):
        monkeypatch.setenv("WALLET_WEBHOOK_RETRIES_S", wrong)
        with pytest.raises(ValidationError):
            Settings()


def test_webhooks_reach_this_machine_only_in_development() -> None:
    assert settings_of().sends_to_loopback is True
    assert settings_of(webhook_loopback=False).sends_to_loopback is False
    assert settings_of(**SAFE).sends_to_loopback is False


def test_the_password_grant_is_off_in_production_unless_set() -> None:
    assert settings_of().takes_passwords_at_oauth is True
    assert settings_of(**SAFE).takes_passwords_at_oauth is False
    assert settings_of(**SAFE, oauth_password_grant=True).takes_passwords_at_oauth is True
