"""What a search found, and the rows of a station profile that it proposes. PURE.

```toml
# XY-MD02-like device at unit 2, 9600 8N1
[lines.line_1]
url = "serial:///dev/serial/by-id/usb-FTDI"
baud = 9600

[devices.modbus_sensor_1]
driver = "modbus_sensor"
line = "line_1"
profile = "xy_md02"
address = 2
```
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from firmware_bridge.config import LineConfig

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that answered. `driver` is None where it is known to be there and no driver fits."""

    title: str  # one line for a person: "OSDP reader at address 3, vendor 5c2612, model 1"
    line: LineConfig
    driver: str | None = None
    address: int | None = None
    profile: str | None = None
    options: Mapping[str, Scalar] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()  # what a technician still has to say or look at

    def as_json(self) -> dict[str, object]:
        return {
            "title": self.title,
            "line": _line_row(self.line),
            "driver": self.driver,
            "address": self.address,
            "profile": self.profile,
            "options": dict(self.options),
            "remarks": list(self.remarks),
        }


def proposed_rows(findings: Iterable[Finding]) -> str:
    """Rows for a station profile, as TOML text: a line once, whatever was found on it below."""
    lines: dict[str, tuple[LineConfig, list[Finding]]] = {}
    for finding in findings:
        lines.setdefault(finding.line.url, (finding.line, []))[1].append(finding)
    counts: dict[str, int] = {}
    blocks: list[str] = []
    for number, (line, found) in enumerate(lines.values(), 1):
        name = f"line_{number}"
        blocks.append(_table(f"lines.{name}", _line_row(line)))
        for finding in found:
            remarks = "".join(f"# {text}\n" for text in (finding.title, *finding.remarks))
            if finding.driver is None:
                blocks.append(remarks + "# no driver fits\n")
                continue
            counts[finding.driver] = counts.get(finding.driver, 0) + 1
            row: dict[str, object] = {"driver": finding.driver, "line": name}
            if finding.profile is not None:
                row["profile"] = finding.profile
            if finding.address is not None:
                row["address"] = finding.address
            if finding.options:
                row["options"] = dict(finding.options)
            blocks.append(remarks + _table(f"devices.{finding.driver}_{counts[finding.driver]}", row))
    return "\n".join(blocks)


def _line_row(line: LineConfig) -> dict[str, object]:
    """What differs from the defaults, and the baud of whatever has one."""
    row: dict[str, object] = {"url": line.url}
    if line.is_wire:
        row["baud"] = line.baud
    return row | line.model_dump(exclude={"url", "baud"}, exclude_defaults=True)


def _table(name: str, row: Mapping[str, object]) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in row.items())


def _value(value: object) -> str:
    """TOML's strings, numbers and booleans are JSON's; an inline table is not."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(item)}" for key, item in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
