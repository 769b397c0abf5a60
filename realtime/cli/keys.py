"""`realtime keys`: make CURVE keys and say who may connect, for streams that leave this machine."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from realtime.transport import keys
from realtime.transport.keys import ROLES, BadKeys, Role

TAKE_IT = "take that folder there over a safe way (scp -rp), remove it here"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", choices=tuple(ACTIONS), help="; ".join(f"{name}: {row[1]}" for name, row in ACTIONS.items())
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder of keys")
    parser.add_argument("name", nargs="?", metavar="NAME", help="allow, remove: whose key")
    parser.add_argument(
        "key", nargs="?", metavar="KEY", help="allow: its public key, or a file that holds it; else a pair is made"
    )
    parser.add_argument(
        "--publisher", metavar="KEY", help="new: keys of a client, for the publisher with this public key"
    )
    parser.add_argument(
        "--camera", action="store_true", help="allow: it may send pictures (run --only capture), not read"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="allow: where a pair that is made goes (default DIR-NAME)"
    )


def main(args: argparse.Namespace) -> int:
    if args.what in ("allow", "remove") and not args.name:
        raise BadKeys(f"realtime keys {args.what} {args.folder} NAME: the name is missing")
    ACTIONS[args.what][0](args)
    return 0


def new(args: argparse.Namespace) -> None:
    """Create a publisher's key folder; with --publisher a client's."""
    folder = shlex.quote(str(args.folder))
    if args.publisher:
        own = keys.new_client(args.folder, key_in(args.publisher)).own
        print(f"client's keys in {args.folder}; on the publisher's machine:")
        print(f"  realtime keys allow DIR {keys.THIS_MACHINE.replace('this', 'other')} {shlex.quote(own.public)}")
        print(f"then here: realtime view --connect tcp://HOST:5555 --keys {folder}")
        return
    own = keys.new_publisher(args.folder).own
    print(f"publisher's keys in {args.folder}; its public key is {shlex.quote(own.public)}")
    print(f"another machine may read: realtime keys allow {folder} NAME")
    print(f"publish: realtime run --bind tcp://ADDRESS-OF-THIS-MACHINE:5555 --keys {folder}")


def allow(args: argparse.Namespace) -> None:
    publisher = keys.own_publisher(args.folder)
    role: Role = "cameras" if args.camera else "allowed"
    if args.key:
        keys.allow(args.folder, args.name, key_in(args.key), role)
        print(f"{args.name} {ROLES[role]}")
        return
    keys.checked_name(args.name)
    out = args.out or args.folder.with_name(f"{args.folder.name}-{args.name}")
    keys.allow(args.folder, args.name, keys.new_client(out, publisher).own.public, role)
    print(f"{args.name} {ROLES[role]}; its keys are in {out}: {TAKE_IT}")


def remove(args: argparse.Namespace) -> None:
    places = keys.remove(keys.private_folder(args.folder), args.name)
    if not places:
        raise BadKeys(f"keys {args.folder}: nobody is called {args.name}; who is: realtime keys list {args.folder}")
    print(f"{args.name} is off the list; a running publisher lets it go within a second or two")


def show(args: argparse.Namespace) -> None:
    folder = keys.private_folder(args.folder)
    for whose in ("publisher", "client"):
        if (folder / f"{whose}.public").exists():
            secret = ", with its secret" if (folder / f"{whose}.secret").exists() else ""
            print(f"{whose:20} {keys.public_key(folder, whose)}{secret}")
    for role, may in ROLES.items():
        for key, name in sorted(keys.allowed(folder, role).items(), key=lambda row: row[1]):
            print(f"{name:20} {key} {may}")


def key_in(text: str) -> str:
    """Read a key as given, or from a file of this name."""
    path = Path(text).expanduser()
    whole = len(text) == keys.KEY_CHARACTERS and not path.is_file()
    return keys.checked_key(
        text if whole or not path.is_file() else path.read_text(errors="replace")[:200].strip(), text
    )


ACTIONS = {
    "new": (new, "make a publisher's keys, or with --publisher a client's"),
    "allow": (allow, "let a client in"),
    "remove": (remove, "lock a client out"),
    "list": (show, "show whose keys these are and who is let in"),
}
