"""How rows travel from a station's spool to the hub, and how the hub says which of them are safe.

Each spool has two streams, events and telemetry, with a sequence each. A batch carries rows in ascending order
and says after which sequence number they follow *without anything between*:

    Batch(after=41, rows=[42, 43, 47])      44..46 were thinned by the station and will never come

The hub keeps one high-water mark per (station, spool, stream) in the same transaction as the rows:
    after <= mark : rows above the mark are stored, the mark moves to the last row, Eack(upto=mark)
    after >  mark : something is missing; nothing is stored, Eack(upto=mark) asks for it again
So a batch may be repeated, split or arrive late any number of times, and each row takes effect once.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from station_agent.wire.model import Name, StationId, UtcTime, Wire

ROWS_PER_BATCH = 200  # ~60 kB of events: far below the broker's 1 MiB payload limit


class Stream(StrEnum):
    EVENTS = "events"
    TELEMETRY = "telemetry"


class Row(Wire):
    """One row of the spool. `boot` and `mono_ms` let the hub repair an `at` from before time was known."""

    seq: int = Field(ge=1)
    at: UtcTime
    boot: str = Field(min_length=8, max_length=36)
    mono_ms: int = Field(ge=0)
    kind: str = Field(max_length=48)
    body: dict[str, Any]
    chain: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$", description="of events: wire/chain.py")


class Batch(Wire):
    v: Literal[1] = 1
    station: StationId
    spool: str = Field(min_length=8, max_length=36, description="new whenever a spool file is made")
    stream: Stream
    after: int = Field(ge=0)
    rows: tuple[Row, ...] = Field(min_length=1, max_length=ROWS_PER_BATCH)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        last = self.after
        for row in self.rows:
            if row.seq <= last:
                raise ValueError(f"row {row.seq} does not follow {last}")
            last = row.seq
        return self


class Eack(Wire):
    """The hub's end-to-end acknowledgement, sent after its commit: every row up to `upto` is safe."""

    v: Literal[1] = 1
    spool: str
    stream: Stream
    upto: int = Field(ge=0)


class DeviceState(Wire):
    online: bool
    detail: str = ""


class StationState(Wire):
    """The heartbeat: where a station stands now. Not stored as history, only as the last seen."""

    v: Literal[1] = 1
    station: StationId
    at: UtcTime
    boot: str
    mono_ms: int
    online: bool = True  # False only in the will, which the broker publishes when the link is lost
    agent_version: str = ""
    door: str = ""  # DoorState, or "" in the will
    contact_open: bool | None = None
    openable: bool | None = None  # whether a member could be let in now; None before the first check
    unopenable: tuple[str, ...] = ()  # why not
    clock_trusted: bool = False
    roster_version: int = 0
    rules_version: int = 0
    trust_version: int = Field(default=0, ge=0, description="of the hub's keys (enrolment.py); 0 of older stations")
    people: int | None = Field(default=None, ge=0, description="inside, as the rules' capacity estimates it")
    spooled: int = Field(default=0, ge=0)  # rows not yet acknowledged
    rejected: int = Field(default=0, ge=0)  # bad inputs counted since the start
    sign_text: str = ""
    devices: dict[Name, DeviceState] = Field(default_factory=dict)
