"""Make, read and check CURVE keys: a folder with this machine's secret keys and the public keys of its peers.

A folder holds, each as one line of 40 characters (Z85): `publisher.secret` and `publisher.public` where streams are
published, `client.secret` and `client.public` where they are read, and who is allowed: `allowed/NAME.public` may read
poses, `cameras/NAME.public` may send pictures.  Secrets are this user's alone (0600); nobody else may write any of it.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import zmq
import zmq.utils.z85

Role = Literal["allowed", "cameras"]
ROLES: dict[Role, str] = {"allowed": "may read poses", "cameras": "may send pictures"}
NAME = re.compile(r"[A-Za-z0-9_.-]{1,32}")
KEY_CHARACTERS, MOST_ALLOWED = 40, 1000
THIS_MACHINE = "this-machine"


class BadKeys(Exception):
    """A folder of keys cannot be used as it is; the text holds the command that mends it."""

    exit_code = 2


@dataclass(frozen=True)
class KeyPair:
    public: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class PublisherKeys:
    """Whoever binds a port: its own keys, and the folder that names who may connect.  There is none without a list."""

    folder: Path
    own: KeyPair
    role: Role = "allowed"


@dataclass(frozen=True)
class ClientKeys:
    """Whoever connects: its own keys, and the publisher's public key, by which it knows whom it talks to."""

    folder: Path
    own: KeyPair
    publisher: str


def publisher_keys(folder: str | Path, role: Role = "allowed") -> PublisherKeys:
    """Read the keys of a port; BadKeys where they are open to others or nobody is allowed."""
    place = private_folder(Path(folder).expanduser())
    own = _pair(place, "publisher", "realtime keys new DIR makes a publisher's folder")
    if not allowed(place, role):
        option = " --camera" if role == "cameras" else ""
        raise BadKeys(f"keys {place}: nobody {ROLES[role]}; name somebody: realtime keys allow {place} NAME{option}")
    return PublisherKeys(place, own, role)


def client_keys(folder: str | Path) -> ClientKeys:
    """Read the keys of a client; BadKeys where they are open to others or incomplete."""
    place = private_folder(Path(folder).expanduser())
    hint = "on the publisher's machine: realtime keys allow DIR NAME, and take the folder that it makes"
    return ClientKeys(place, _pair(place, "client", hint), _read(place / "publisher.public", hint))


def own_publisher(folder: Path) -> str:
    """Return the public key of a publisher whose secret lies in this folder."""
    return _pair(private_folder(folder), "publisher", "realtime keys new DIR makes a publisher's folder").public


def public_key(folder: Path, whose: str) -> str:
    return _read(folder / f"{whose}.public", "realtime keys new DIR")


def present(socket: zmq.Socket[Any], keys: ClientKeys) -> None:
    """Before it connects: who it is, and whom it takes for the publisher."""
    socket.curve_serverkey = keys.publisher.encode()
    socket.curve_publickey = keys.own.public.encode()
    socket.curve_secretkey = keys.own.secret.encode()


def _pair(folder: Path, whose: str, hint: str) -> KeyPair:
    pair = KeyPair(_read(folder / f"{whose}.public", hint), _read(folder / f"{whose}.secret", hint, secret=True))
    if zmq.curve_public(pair.secret.encode()).decode() != pair.public:
        raise BadKeys(f"keys {folder}: {whose}.public does not belong to {whose}.secret; {hint}")
    return pair


def allowed(folder: Path, role: Role) -> dict[str, str]:
    """Public key -> name, of everybody on a list."""
    place = folder / role
    if not place.is_dir():
        return {}
    private_folder(place)
    files = sorted(place.glob("*.public"))[:MOST_ALLOWED]
    return {_read(path, "realtime keys remove, then allow"): path.stem for path in files}


def private_folder(path: Path) -> Path:
    """Refuse a folder of keys that is another user's, or that others may write into."""
    try:
        found = path.stat()
    except OSError as error:
        raise BadKeys(f"keys {path}: {error.strerror}; make them: realtime keys new {path}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise BadKeys(f"keys {path}: is no folder; make one: realtime keys new DIR")
    _refuse_foreign(path, found)
    if os.name == "posix" and found.st_mode & 0o022:
        raise BadKeys(f"keys {path}: others may write it (mode {found.st_mode & 0o777:o}): chmod 700 {path}")
    return path


def _read(path: Path, hint: str, secret: bool = False) -> str:
    """Return one key, from a file whose owner and mode were looked at through the same handle that is read."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise BadKeys(f"keys {path}: {error.strerror}; {hint}") from error
    with os.fdopen(handle, "rb") as file:
        _check_file(path, os.fstat(file.fileno()), secret)
        text = file.read(200).decode("ascii", "replace").strip()
    return checked_key(text, str(path))


def _check_file(path: Path, status: os.stat_result, secret: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise BadKeys(f"keys {path}: is no plain file")
    _refuse_foreign(path, status)
    open_to_others = status.st_mode & (0o077 if secret else 0o022)
    if os.name == "posix" and open_to_others:
        raise BadKeys(f"keys {path}: open to others (mode {status.st_mode & 0o777:o}): chmod 600 {path}")


def _refuse_foreign(path: Path, status: os.stat_result) -> None:
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        raise BadKeys(f"keys {path}: belongs to user {status.st_uid}, not to you; make your own: realtime keys new DIR")


def checked_key(text: str, where: str) -> str:
    """Check a key as it is written; BadKeys for anything else, without showing it."""
    try:
        whole = len(text) == KEY_CHARACTERS and len(zmq.utils.z85.decode(text.encode("ascii"))) == 32
    except (KeyError, ValueError, UnicodeEncodeError):
        whole = False
    if not whole:
        raise BadKeys(f"{where}: no key; expected {KEY_CHARACTERS} characters of Z85, found {len(text)} characters")
    return text


def checked_name(name: str) -> str:
    if not NAME.fullmatch(name) or name.startswith("."):
        raise BadKeys(f"name {name!r:.60}: expected 1 to 32 letters, digits, dots, dashes, underscores")
    return name


def new_publisher(folder: Path) -> PublisherKeys:
    """Make a publisher's folder, with one client: this machine."""
    make_folder(folder)
    write_pair(folder, "publisher")
    own = write_pair(folder, "client")
    allow(folder, THIS_MACHINE, own.public, "allowed")
    return publisher_keys(folder)


def new_client(folder: Path, publisher: str) -> ClientKeys:
    """Make a client's folder for the publisher with this public key."""
    make_folder(folder)
    write_pair(folder, "client")
    write(folder / "publisher.public", checked_key(publisher, "publisher's key"))
    return client_keys(folder)


def allow(folder: Path, name: str, public: str, role: Role) -> None:
    """Put a public key on a list."""
    place, known = folder / role, allowed(folder, role)
    if public in known:
        raise BadKeys(f"keys {folder}: this key is on the list already, as {known[public]}")
    place.mkdir(mode=0o700, exist_ok=True)
    write(place / f"{checked_name(name)}.public", public)


def remove(folder: Path, name: str) -> list[Role]:
    """Take a name off the lists; those that it was on."""
    places: list[Role] = [role for role in ROLES if (folder / role / f"{checked_name(name)}.public").exists()]
    for role in places:
        (folder / role / f"{name}.public").unlink()
    return places


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise BadKeys(f"keys {folder}: exists already; name another folder, or remove it first") from None
    except OSError as error:
        raise BadKeys(f"keys {folder}: {error.strerror}") from error


def write_pair(folder: Path, whose: str) -> KeyPair:
    public, secret = new_pair()
    write(folder / f"{whose}.secret", secret)
    write(folder / f"{whose}.public", public)
    return KeyPair(public, secret)


def new_pair() -> tuple[str, str]:
    """Public and secret; the public one can be given on a command line: it begins with no dash."""
    while True:
        public, secret = (key.decode() for key in zmq.curve_keypair())
        if not public.startswith("-"):
            return public, secret


def write(path: Path, key: str) -> None:
    """Write a new file, readable by this user alone from its first byte on."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BadKeys(f"keys {path}: exists already; another name, or remove it first") from None
    except OSError as error:
        raise BadKeys(f"keys {path}: {error.strerror}") from error
    with os.fdopen(handle, "w") as file:
        file.write(key + "\n")
