"""Owns where things lie in a checkout. Everything that a run makes is below `.venv` and `.yizhan`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Paths of one checkout; `root` is the folder that holds run.py."""

    root: Path

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def state(self) -> Path:
        return self.root / ".yizhan"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def demo(self) -> Path:
        return self.state / "demo"

    @property
    def web(self) -> Path:
        return self.root / "cloud_hub" / "web"

    @property
    def pages(self) -> Path:
        return self.web / "dist"

    def tool(self, name: str) -> Path:
        """An executable of the virtual environment."""
        return self.venv / "bin" / name


HERE = Places(Path(__file__).resolve().parents[2])
