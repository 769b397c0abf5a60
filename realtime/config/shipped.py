"""Settings files that ship with the package, by their bare names: `--config demo`, `trainers train causal-small`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from realtime.config.yaml_file import ConfigError


@dataclass(frozen=True)
class Shipped:
    """A folder of settings files: inside the installed package, or in `configs/` of a checkout."""

    installed: Path
    checkout: Path
    listing: str  # the command that a refused name is answered with

    def folder(self) -> Path:
        return self.installed if self.installed.is_dir() else self.checkout

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.folder().glob("*.yaml"))

    def locate(self, name: str) -> str:
        """Return the path of a file of settings: as given where it is one, else of the one that ships under this
        name."""
        if Path(name).exists() or Path(name).suffix or Path(name).name != name:
            return name
        if name not in self.names():
            raise ConfigError(f"{name}: no such file, and none of the settings that ship: {self.listing.format(self)}")
        return str(self.folder() / f"{name}.yaml")

    def __str__(self) -> str:
        return ", ".join(self.names())


RUN = Shipped(
    Path(__file__).parent / "defaults",
    Path(__file__).parents[2] / "configs" / "run",
    "{}; write one of your own: realtime init-config my.yaml",
)
