"""Counts of what the hub did and refused since its start, for /metrics. Rejected input is kept in the database too."""

from __future__ import annotations

from collections import Counter

KEYS_MAX = 1_000  # label sets; a station can invent no more


class Counters:
    """Each counter is a name and labels, as Prometheus has them."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()

    def add(self, name: str, count: int = 1, **labels: str) -> None:
        key = (name, tuple(sorted(labels.items())))
        if key in self._counts or len(self._counts) < KEYS_MAX:
            self._counts[key] += count

    def set(self, name: str, count: int, **labels: str) -> None:
        """For what another part counts."""
        self._counts[(name, tuple(sorted(labels.items())))] = count

    def value(self, name: str, **labels: str) -> int:
        return self._counts[(name, tuple(sorted(labels.items())))]

    def text(self) -> str:
        """Prometheus exposition format."""
        lines = []
        names: set[str] = set()
        for (name, labels), count in sorted(self._counts.items()):
            if name not in names:
                names.add(name)
                lines.append(f"# TYPE yizhan_{name}_total counter")
            inside = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels)
            lines.append(f"yizhan_{name}_total{{{inside}}} {count}" if inside else f"yizhan_{name}_total {count}")
        return "".join(line + "\n" for line in lines)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
