"""A station as the hub sees it, over real MQTT (paho): spool, resending, commands, documents. No devices behind it."""

import queue
import threading
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from station_agent.wire import chain, topics
from station_agent.wire.commands import Command
from station_agent.wire.documents import Erasures, Roster
from station_agent.wire.documents import kind_of as kind_of_document
from station_agent.wire.envelope import ROWS_PER_BATCH, Batch, Eack, Row, StationState, Stream
from station_agent.wire.events import CommandProgress, EventBody, kind_of
from station_agent.wire.kinds import CommandStatus
from station_agent.wire.knocks import Knocked
from station_agent.wire.rules import Rules
from station_agent.wire.signed import Forged, key_id, open_signed

WAIT_S = 15.0
RESEND_S = 0.3

LEAVES = {Stream.EVENTS: topics.Up.EVENTS, Stream.TELEMETRY: topics.Up.TELEMETRY}


class MqttStation:
    """`link` is the link file's content. Use as a context manager; `deliver` returns when all rows are acknowledged."""

    def __init__(self, link: dict[str, Any]) -> None:
        self.id: str = link["station"]
        self.spool = uuid4().hex
        self.boot = uuid4().hex
        self.began_s = time.monotonic()
        self.commands: queue.Queue[Command] = queue.Queue()
        self.rosters: queue.Queue[Roster] = queue.Queue()
        self.rules: queue.Queue[Rules] = queue.Queue()
        self.knocks: queue.Queue[Knocked] = queue.Queue()
        self.erasures: queue.Queue[Erasures] = queue.Queue()
        self.forged: list[bytes] = []
        self.eacks: list[Eack] = []
        self.rows: dict[Stream, list[Row]] = {stream: [] for stream in Stream}
        self.marks: dict[Stream, int] = dict.fromkeys(Stream, 0)
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        keys = [Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)) for key in link["hub_keys"]]
        self._keys = {key_id(key): key for key in keys}
        self._link = link
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=self.id)
        self.client.username_pw_set(link["broker"]["username"], link["broker"]["password"])
        self.client.reconnect_delay_set(0.05, 0.5)
        self.client.max_inflight_messages_set(1000)
        will = StationState(station=self.id, at=datetime.now(UTC), boot=self.boot, mono_ms=0, online=False)
        self.client.will_set(topics.up(self.id, topics.Up.STATE), will.model_dump_json())
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = self._on_message

    def __enter__(self) -> "MqttStation":
        self.client.connect(self._link["broker"]["host"], self._link["broker"]["port"])
        self.client.loop_start()
        assert self._subscribed.wait(WAIT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        del self.client  # paho closes its wake-up sockets only when it is collected

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe([(topics.down(self.id, leaf), 0) for leaf in topics.Down])

    def _on_message(self, _: mqtt.Client, __: object, message: mqtt.MQTTMessage) -> None:
        assert not message.retain
        leaf = message.topic.rpartition("/")[2]
        if leaf == topics.Down.ACK:
            eack = Eack.model_validate_json(message.payload)
            if eack.spool == self.spool:
                with self._changed:
                    self.eacks.append(eack)
                    self.marks[eack.stream] = max(self.marks[eack.stream], eack.upto)
                    self._changed.notify_all()
        elif leaf == topics.Down.COMMAND:
            try:
                body = open_signed("command", message.payload, self._keys)
            except Forged:
                self.forged.append(message.payload)
            else:
                self.commands.put(Command.model_validate_json(body))
        elif leaf == topics.Down.KNOCK:
            self.knocks.put(Knocked.model_validate_json(open_signed("knock", message.payload, self._keys)))
        else:
            body = open_signed("document", message.payload, self._keys)
            match kind_of_document(body):
                case "roster":
                    self.rosters.put(Roster.model_validate_json(body))
                case "rules":
                    self.rules.put(Rules.model_validate_json(body))
                case "erasures":
                    self.erasures.put(Erasures.model_validate_json(body))

    # --- telling ---

    def tell_state(self, **fields: Any) -> None:
        state = StationState(
            station=self.id, at=datetime.now(UTC), boot=self.boot, mono_ms=self._mono_ms(), clock_trusted=True, **fields
        )
        self.client.publish(topics.up(self.id, topics.Up.STATE), state.model_dump_json())

    def add(self, body: EventBody, stream: Stream = Stream.EVENTS, at: datetime | None = None) -> Row:
        """Into the spool; `deliver` sends it."""
        return self.add_raw(kind_of(body), body.model_dump(mode="json"), stream, at)

    def add_raw(
        self, kind: str, body: dict[str, Any], stream: Stream = Stream.EVENTS, at: datetime | None = None
    ) -> Row:
        rows = self.rows[stream]
        seq, at, mono_ms = rows[-1].seq + 1 if rows else 1, at or datetime.now(UTC), self._mono_ms()
        link = None
        if stream is Stream.EVENTS:
            before = rows[-1].chain if rows else None
            link = chain.link(before or chain.beginning(self.spool), seq, at, self.boot, mono_ms, kind, body)
        row = Row(seq=seq, at=at, boot=self.boot, mono_ms=mono_ms, kind=kind, body=body, chain=link)
        rows.append(row)
        return row

    def batches(self, stream: Stream, rows_max: int = ROWS_PER_BATCH) -> list[Batch]:
        """What is not acknowledged yet."""
        mark = self.marks[stream]
        waiting = [row for row in self.rows[stream] if row.seq > mark]
        made = []
        for start in range(0, len(waiting), rows_max):
            rows = tuple(waiting[start : start + rows_max])
            made.append(Batch(station=self.id, spool=self.spool, stream=stream, after=rows[0].seq - 1, rows=rows))
        return made

    def publish(self, batch: Batch) -> None:
        self.client.publish(topics.up(self.id, LEAVES[batch.stream]), batch.model_dump_json(), qos=1)

    def deliver(self, stream: Stream = Stream.EVENTS, rows_max: int = ROWS_PER_BATCH, limit_s: float = WAIT_S) -> None:
        """Sends what waits, and again whenever RESEND_S bring no news, until the hub has acknowledged all."""
        deadline = time.monotonic() + limit_s
        while batches := self.batches(stream, rows_max):
            assert time.monotonic() < deadline, f"{self.id}: acknowledged up to {self.marks[stream]} only"
            for batch in batches:
                self.publish(batch)
            self.acknowledged(self.rows[stream][-1].seq, RESEND_S, stream)

    def acknowledged(self, seq: int, limit_s: float, stream: Stream = Stream.EVENTS) -> bool:
        """Waits until the hub has acknowledged up to `seq`."""
        with self._changed:
            return self._changed.wait_for(lambda: self.marks[stream] >= seq, limit_s)

    def answer(self, command: Command, status: CommandStatus, detail: str = "") -> None:
        self.add(CommandProgress(command=command.id, status=status, detail=detail))
        self.deliver()

    def next_command(self) -> Command:
        return self.commands.get(timeout=WAIT_S)

    def _mono_ms(self) -> int:
        return int((time.monotonic() - self.began_s) * 1000)
