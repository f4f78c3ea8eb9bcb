"""The commands of the service: serving, and the tokens of those who use it."""

from __future__ import annotations

import logging
import secrets
import socket
import sys
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from search.commands.console import new_table, print_json, standard_output, tell
from search.commands.options import DEFAULT_URL, AsJson, Storage
from search.faults import Faults

if TYPE_CHECKING:
    from storage.database import Database
    from storage.tokens import Token

MODULES = ("fastapi", "uvicorn", "dash", "dash_mantine_components", "dash_ag_grid", "janus")
"""What the extra brings."""

GRACE_SECONDS = 5
FIRST = "first"

app = typer.Typer()
tokens = typer.Typer(
    no_args_is_help=True,
    help="Who may use the service.",
    epilog="Examples: [cyan]paretune token add --role read[/]   [cyan]paretune token list[/]",
)
app.add_typer(tokens, name="token")


@app.command(
    epilog="Examples: [cyan]paretune serve[/]   [cyan]paretune serve --port 9000 --storage sqlite:///team.db[/]   "
    "[cyan]paretune serve --host 0.0.0.0 --allow-host gpu1.example.org[/]"
)
def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Where to listen; 0 picks a free one.")] = 8000,
    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="A name that browsers call it by.", show_default=False),
    ] = None,
    allow_import: Annotated[
        bool, typer.Option("--allow-import", help="Let specs that are sent name code of this machine by import path.")
    ] = False,
    allow_folders: Annotated[
        bool, typer.Option("--allow-folders", help="Let specs that are sent name folders of this machine.")
    ] = False,
    templates: Annotated[
        Path | None,
        typer.Option("--templates", metavar="FOLDER", help="Specs to begin with, NAME.toml each.", show_default=False),
    ] = None,
    storage: Storage = DEFAULT_URL,
) -> None:
    """Serve the pages and the REST API of a database. Its sweeps are processes of their own and go on without it."""
    _check_extra()
    import uvicorn

    from search.service.app import build_app
    from search.service.rules import make_rules
    from storage.database import Database
    from storage.tokens import OPERATE, list_tokens, make_first_token

    if templates is not None and not templates.is_dir():
        raise Faults(f"--templates: a folder is needed, but got {str(templates)!r}")
    database = Database(storage)
    listener = _listen(host, port)
    database.create()
    port = listener.getsockname()[1]
    rules = make_rules(host, port, allow_host or (), allow_import=allow_import, allow_folders=allow_folders)
    served = build_app(database, rules, templates)
    shown = f"[{host}]" if ":" in host else host
    print(f"serving {database} at http://{shown}:{port}/; Ctrl-C ends it, sweeps go on")
    if not _is_loopback(host):
        tell(
            f"{host} can be reached by other machines, and what goes there is not encrypted: put a proxy with TLS "
            "before it, and give the names by which browsers call it: --allow-host NAME"
        )
    if (secret := make_first_token(database, FIRST)) is not None:
        print(f"token {FIRST} (operate), shown this once: {secret}")
    elif not any(token.role == OPERATE and token.revoked_at is None for token in list_tokens(database)):
        tell("no token may operate: `paretune token add --role operate` makes one")
    sys.stdout.flush()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    config = uvicorn.Config(
        served,
        log_config=None,
        access_log=False,  # ours has the request's id and the token's name
        server_header=False,
        proxy_headers=False,  # an address that a header tells would get around the back-off
        ws_max_size=2**20,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            served.state.end_streams()
            super().handle_exit(sig, frame)

    Server(config).run(sockets=[listener])


@tokens.command("add", epilog="Example: [cyan]paretune token add --role read --name wall-display[/]")
def add(
    role: Annotated[str, typer.Option("--role", help="operate, or read: look only.", show_default=False)],
    name: Annotated[str | None, typer.Option("--name", help="By which it is known.", show_default=False)] = None,
    storage: Storage = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it; it is shown this once."""
    from search.spec import NAME
    from storage.tokens import ROLES, make_token

    faults = []
    if role not in ROLES:
        faults.append(f"--role: {' or '.join(ROLES)} is needed, but got {role!r}")
    if name is not None and not NAME.fullmatch(name):
        faults.append(f"--name: 1 to 100 of A-Z a-z 0-9 . _ - are needed, a letter or digit first, but got {name!r}")
    if faults:
        raise Faults(*faults)
    chosen = name or f"{role}-{secrets.token_hex(3)}"
    secret = make_token(_made(storage), role, chosen)
    if as_json:
        print_json({"name": chosen, "role": role, "token": secret})
    else:
        tell(f"token {chosen} ({role}), shown this once:")
        print(secret)


@tokens.command("list", epilog="Example: [cyan]paretune token list --json[/]")
def list_(storage: Storage = DEFAULT_URL, as_json: AsJson = False) -> None:
    """List the tokens, revoked ones too; what they open is kept nowhere."""
    from storage.tokens import list_tokens

    found = list_tokens(_checked(storage))
    if as_json:
        print_json([_plain(token) for token in found])
        return
    table = new_table("token", "role", "made (UTC)", "last used", "revoked")
    for token in found:
        moments = (token.created_at, token.last_used_at, token.revoked_at)
        table.add_row(token.name, token.role, *(f"{at:%Y-%m-%d %H:%M}" if at else "-" for at in moments))
    standard_output().print(table, markup=False)


@tokens.command("revoke", epilog="Example: [cyan]paretune token revoke wall-display[/]")
def revoke(
    name: Annotated[str, typer.Argument(help="The token.", show_default=False)],
    storage: Storage = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Revoke a token; it and the sessions that began with it end at once."""
    from search.faults import suggest
    from storage.tokens import list_tokens, revoke_token

    database = _checked(storage)
    if not revoke_token(database, name):
        known = {token.name: token for token in list_tokens(database)}
        if name in known:
            raise Faults(f"token: {name!r} is revoked already")
        raise Faults(f"token: there is no {name!r}{suggest(name, known)}")
    if as_json:
        print_json({"name": name, "revoked": True})
    else:
        print(f"revoked {name}")


def _check_extra() -> None:
    from importlib.util import find_spec

    missing = [name for name in MODULES if find_spec(name) is None]
    if missing:
        raise Faults(f"serve: {', '.join(missing)} not installed: pip install 'paretune[service]'")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise Faults(f"--host, --port: {host}:{port} cannot be used: {error.strerror or error}") from error


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _made(storage: str) -> Database:
    """Returns the database, made where there is none: a service may be prepared before its first start."""
    from storage.database import Database

    database = Database(storage)
    database.create()
    return database


def _checked(storage: str) -> Database:
    from storage.database import Database

    database = Database(storage)
    database.check()
    return database


def _plain(token: Token) -> dict[str, str | None]:
    moments = {key: getattr(token, key) for key in ("created_at", "last_used_at", "revoked_at")}
    return {"name": token.name, "role": token.role, **{key: at and at.isoformat() for key, at in moments.items()}}
