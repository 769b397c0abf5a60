"""Run the Dockerfile's steps in a clean root where there is no Docker: a chroot with Python, as root.

    sudo python packaging/try_dockerfile.py FOLDER [SUITE MIRROR]

makes FOLDER with debootstrap (or takes one that holds a system), then does what RUN, COPY, ENV, USER and WORKDIR say,
and then what a user does first in the container.  What it is not: the base image (Debian's own Python stands for
`python:X-slim`), layers, a network of its own, the health check's clock.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
MIRROR = "http://deb.debian.org/debian"  # what comes from there is signed
INCLUDED = "ca-certificates,python3,python3-venv,python3-pip"
CARRIED = (
    "/etc/resolv.conf",
    "/etc/pip.conf",
    "/etc/apt/sources.list",
    "/etc/apt/sources.list.d",
    "/etc/apt/apt.conf.d",
    "/etc/ssl/certs/ca-certificates.crt",
)
TRIALS = (  # what a user does first in the container
    ["--version"],
    ["doctor"],
    ["run", "--demo", "--size", "160x120", "--seconds", "3", "--json"],
    ["keys", "new", "keys/all"],
)


def instructions(text: str) -> list[tuple[str, str]]:
    """Each line's word and the rest; comments left out, continued lines joined."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.M))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


@dataclass
class CleanRoot:
    """A root directory that steps are run in."""

    folder: Path
    user: str = "root"
    place: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    entry: list[str] = field(default_factory=list)

    def run(self, command: list[str], check: bool = True) -> int:
        home = "/root" if self.user == "root" else f"/home/{self.user}"
        given = {k: v for k, v in os.environ.items() if k.startswith(("PIP_", "SSL_", "REQUESTS_"))}
        given |= {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": home,
            "DEBIAN_FRONTEND": "noninteractive",
        }
        words = [f"{key}={value}" for key, value in (given | self.environment).items()]
        mounts = (
            "mount -t proc proc {0}/proc; mount --rbind /sys {0}/sys; "
            "mount -t tmpfs -o size=256m,mode=1777 shm {0}/dev/shm; "
            "for d in null zero urandom random; do touch {0}/dev/$d; mount --bind /dev/$d {0}/dev/$d; done; "
        ).format(shlex.quote(str(self.folder)))
        inside = ["chroot", f"--userspec={self.user}", str(self.folder), "/usr/bin/env", "-i", *words,
                  "/bin/sh", "-c", f"cd {shlex.quote(self.place)} && exec {shlex.join(command)}"]  # fmt: skip
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "sh", "-c", mounts + "exec " + shlex.join(inside)]
        )
        if check and done.returncode:
            raise SystemExit(f"failed with {done.returncode}: {shlex.join(command)}")
        return done.returncode

    def obey(self, word: str, rest: str) -> None:
        if word == "RUN":
            print(f"RUN {rest}", flush=True)
            self.run(["/bin/sh", "-c", rest])
        elif word == "COPY":
            source, target = rest.split()
            ignored = [line.removeprefix("**/") for line in (ROOT / ".dockerignore").read_text().split()]
            shutil.copytree(ROOT / source, self.folder / target.lstrip("/"), ignore=shutil.ignore_patterns(*ignored))
        elif word == "ENV":
            self.environment |= dict([rest.split("=", 1)])
        elif word == "USER":
            self.user = rest
        elif word == "WORKDIR":
            self.place = rest
        elif word == "ENTRYPOINT":
            self.entry = json.loads(rest)


def prepare(folder: Path, suite: str, mirror: str) -> None:
    """Bootstrap a system with Python whose `python` and `pip` are in /usr/local, as in the base image."""
    if not (folder / "bin").exists():
        command = ["debootstrap", "--variant=minbase", f"--include={INCLUDED}", suite, str(folder), mirror]
        subprocess.run(command, check=True)
    bundles = [os.environ.get(name, "") for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")]
    carried = [name for name in CARRIED if own_suite() or not name.startswith("/etc/apt/sources")]
    for name in (*carried, *filter(None, bundles)):  # how this machine reaches its package indexes
        carry(Path(name), folder / name.lstrip("/"))
    CleanRoot(folder).run(["python3", "-m", "venv", "/usr/local"])


def own_suite() -> str:
    """Read the code name of this machine's Debian; empty elsewhere, where its package sources would not fit."""
    known = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return known.get("VERSION_CODENAME", "") if known.get("ID") == "debian" else ""


def carry(source: Path, target: Path) -> None:
    """Never through a link of the clean root: it would lead out of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink() or target.is_file():
        target.unlink()
    elif target.is_dir():
        shutil.rmtree(target)
    if source.is_dir():
        shutil.copytree(source, target, ignore_dangling_symlinks=True)
    elif source.exists():
        shutil.copyfile(source, target)


def main() -> int:
    folder, suite, mirror = Path(sys.argv[1]).absolute(), *(sys.argv[2:] or [own_suite() or "stable", MIRROR])
    prepare(folder, suite, mirror)
    root = CleanRoot(folder)
    for word, rest in instructions((ROOT / "Dockerfile").read_text()):
        root.obey(word, rest)
    for words in TRIALS:
        print(f"{shlex.join(root.entry + words)}  (as {root.user})", flush=True)
        root.run(root.entry + words, check=words != ["doctor"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
