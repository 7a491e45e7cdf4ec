"""The command line: thin; every command is a few lines over `bootstrap`."""

import asyncio
import getpass
import json
import os
import sys
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from wallet import bootstrap
from wallet.settings import PREFIX, Settings, SettingsUnsafe

EVERYWHERE = "0.0.0.0"  # noqa: S104 - only for whoever asks for phones

app = typer.Typer(
    name="wallet",
    help="The wallet service: serve it, migrate its database, verify its books.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
migrations = typer.Typer(help="Bring the schema forward, or look where it is.")
app.add_typer(migrations, name="migrate")
safe_mode = typer.Typer(help="See whether money may move, and let it move again.")
app.add_typer(safe_mode, name="safe-mode")


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


def _settings(**given: Any) -> Settings:
    """Read the settings; end with a message that names what is wrong, never a value."""
    try:
        settings = Settings(**given)
        settings.check()
    except ValidationError as error:
        problems = (
            f"{PREFIX}{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()
        )
        _fail("The settings are not valid. " + "; ".join(problems))
    except SettingsUnsafe as error:
        _fail(str(error))
    return settings


@app.command()
def serve(
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes that serve requests.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="The port.")] = None,
    phone: Annotated[
        bool, typer.Option(help="Serve the whole network by https, with a certificate made here.")
    ] = False,
) -> None:
    """Start the database if it is the embedded one, migrate it, and serve until told to stop."""
    given: dict[str, Any] = {"workers": workers, "host": host, "port": port}
    if phone:
        given |= {"host": host or EVERYWHERE, "tls_own_certificate": True}
    settings = _settings(**{name: value for name, value in given.items() if value is not None})
    try:
        bootstrap.serve(settings, say=typer.echo)
    except bootstrap.StartFailed as error:
        _fail(str(error))


@migrations.command("up")
def migrate_up() -> None:
    """Apply every pending migration."""
    _report_lines(bootstrap.migrate_up)


@migrations.command("down")
def migrate_down() -> None:
    """Take the last migration back; refused in production and where rows would be lost."""
    _report_lines(bootstrap.migrate_down)


@migrations.command("status")
def migrate_status() -> None:
    """List the migrations and when each was applied."""
    _report_lines(bootstrap.migration_status)


def _report_lines(command: "bootstrap.MigrationCommand") -> None:
    try:
        for line in asyncio.run(_with_database(command)):
            typer.echo(line)
    except bootstrap.StartFailed as error:
        _fail(str(error))


async def _with_database(command: "bootstrap.MigrationCommand") -> list[str]:
    settings = _settings()
    with bootstrap.database(settings) as addresses:
        return await command(settings, addresses)


@app.command()
def verify() -> None:
    """Check the whole of the books in one snapshot; exit with 1 if anything is wrong."""
    settings = _settings()
    try:
        with bootstrap.database(settings) as addresses:
            report, seconds = asyncio.run(bootstrap.verify(settings, addresses))
    except bootstrap.StartFailed as error:
        _fail(str(error))
    for violation in report.violations:
        typer.echo(str(violation))
    rate = report.entries / seconds if seconds else 0.0
    typer.echo(
        f"{report.accounts} accounts, {report.entries} entries in {seconds:.1f} s "
        f"({rate:,.0f} entries/s): "
        + ("intact." if report.intact else f"{len(report.violations)} violations.")
    )
    if not report.intact:
        raise typer.Exit(1)


@safe_mode.command("status")
def safe_mode_status() -> None:
    """Say whether money moves, and if not, since when and why."""
    _report_lines(bootstrap.safe_mode_status)


@safe_mode.command("leave")
def safe_mode_leave(
    reason: Annotated[str, typer.Option(help="What was found and done; it is kept.")],
) -> None:
    """Let money move again, once the books have been looked into (`wallet verify`)."""

    async def leave(settings: Settings, addresses: "bootstrap.DatabaseAddresses") -> list[str]:
        return await bootstrap.leave_safe_mode(settings, addresses, getpass.getuser(), reason)

    _report_lines(leave)


@app.command()
def create_admin(
    email: Annotated[str, typer.Option(prompt=True, help="The administrator's e-mail address.")],
    first_name: Annotated[str, typer.Option(prompt=True)],
    last_name: Annotated[str, typer.Option(prompt=True)],
) -> None:
    """Create an administrator, or make one of a person who has signed up.

    The password is asked for, or read from standard input if that is not a terminal.
    """
    settings = _settings()
    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    try:
        with bootstrap.database(settings) as addresses:
            lines = asyncio.run(
                bootstrap.create_admin(
                    settings,
                    addresses,
                    email=email,
                    first_name=first_name,
                    last_name=last_name,
                    password=password,
                    by=getpass.getuser(),
                )
            )
    except bootstrap.StartFailed as error:
        _fail(str(error))
    for line in lines:
        typer.echo(line)


Reason = Annotated[str, typer.Option(help="Why; it stands in the audit trail for ever.")]


@app.command()
def grant_role(
    email: Annotated[str, typer.Option(help="Whose role it is; the address must be verified.")],
    role: Annotated[str, typer.Option(help="admin, support or auditor.")],
    reason: Reason,
) -> None:
    """Give somebody who has signed up a role of the staff."""
    if role not in ("admin", "support", "auditor"):
        _fail("The role is admin, support or auditor.")
    _give_role(email, role, reason)


@app.command()
def revoke_role(
    email: Annotated[str, typer.Option(help="Whose role is taken away.")],
    reason: Reason,
) -> None:
    """Take a role of the staff away; it is gone with their next request."""
    _give_role(email, "user", reason)


def _give_role(email: str, role: str, reason: str) -> None:
    async def give(settings: Settings, addresses: "bootstrap.DatabaseAddresses") -> list[str]:
        return await bootstrap.give_role(
            settings, addresses, email=email, role=role, by=getpass.getuser(), reason=reason
        )

    _report_lines(give)


@app.command()
def reset_second_factor(
    email: Annotated[str, typer.Argument(help="Whose second factor is lost.")],
    reason: Annotated[
        str, typer.Option(help="Why, and how you know that it is them; it stays in the trail.")
    ],
) -> None:
    """Take the second factor off somebody who has lost device and recovery codes.

    All their sessions end, and they are told by mail.
    """

    async def reset(settings: Settings, addresses: "bootstrap.DatabaseAddresses") -> list[str]:
        by = getpass.getuser()
        return await bootstrap.reset_second_factor(settings, addresses, email, by, reason)

    _report_lines(reset)


@app.command()
def encrypt_secrets() -> None:
    """Encrypt secrets of second factors and webhooks with the present keys, after a rotation."""
    _report_lines(bootstrap.encrypt_secrets)


@app.command()
def listen(
    forward_to: Annotated[str, typer.Option(help="Where to post events, on your own machine.")],
    url: Annotated[str, typer.Option(help="The service.")] = "http://localhost:4000",
    email: Annotated[
        str | None, typer.Option(envvar="WALLET_LISTEN_EMAIL", help="Whose events they are.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="WALLET_LISTEN_TOKEN", help="Instead of e-mail and password."),
    ] = None,
    otp: Annotated[str | None, typer.Option(help="The second factor, if there is one.")] = None,
    event: Annotated[
        list[str] | None, typer.Option(help="Only events of this type; more than once.")
    ] = None,
    after: Annotated[str, typer.Option(help="A position or an event id to go on from.")] = "now",
    secret: Annotated[
        str | None,
        typer.Option(envvar="WALLET_LISTEN_SECRET", help="whsec_… to sign with; made if not set."),
    ] = None,
) -> None:
    """Forward your events to a server on your machine, signed like webhooks, for development.

    The password is asked for, or read from WALLET_LISTEN_PASSWORD.
    """
    login = bootstrap.Login(token=token, otp=otp)
    if token is None:
        login.email = email or typer.prompt("E-mail")
        given = os.environ.get("WALLET_LISTEN_PASSWORD")
        login.password = given or typer.prompt("Password", hide_input=True)
    try:
        asyncio.run(
            bootstrap.listen(
                url, forward_to, login, secret=secret, types=event or [], after=after, say=_say
            )
        )
    except bootstrap.StartFailed as error:
        _fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit from None


def _say(line: str) -> None:
    typer.echo(line)
    sys.stdout.flush()


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    typer.echo(json.dumps(bootstrap.openapi_document(), indent=2, ensure_ascii=False))


def main() -> None:
    """Run the command line."""
    app()
