"""The shell of watch.py: every row of the profile's [alarms] follows its input or reading, and moves the alarm board.

An alarm whose row has gone from the profile ends at the start: nobody watches it any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from firmware_bridge.capabilities import Health, HealthChanged, InputChanged, Quality, Reading
from station_agent.access.sentences import Sentence
from station_agent.alarms import watch as machine
from station_agent.alarms.board import AlarmBoard
from station_agent.alarms.kinds import KINDS, Rule
from station_agent.alarms.sentences import ALARM_SENTENCES
from station_agent.alarms.watch import Effect, Watch
from station_agent.clock import Clock
from station_agent.wire.kinds import AlarmKind

LOOK_S = 1.0
"""How exactly `for_s` and `clear_for_s` are kept; what takes no time is raised in the turn that heard it."""

SAY_S = 20.0
"""Between two times that people inside are told: long enough to read something else in between."""


class AlarmWatcher:
    """Synchronous, on the loop; `run` is its only service."""

    def __init__(
        self,
        rules: Sequence[Rule],
        alarms: AlarmBoard,
        clock: Clock,
        *,
        closed: Callable[[], bool],
        say: Callable[[Sentence], None],
        others: frozenset[str],
    ) -> None:
        """`closed`: whether nobody should be inside now. `others`: subjects whose alarms are not ours to end."""
        self._rules: Mapping[str, Rule] = {rule.name: rule for rule in rules}
        self._alarms = alarms
        self._clock = clock
        self._closed = closed
        self._say = say
        self._said_s = float("-inf")
        self._motion: dict[str, bool] = {}
        now = clock.monotonic()
        self._watches: dict[str, Watch] = {}
        for rule in rules:
            standing = alarms.standing(rule.name)
            self._watches[rule.name] = machine.begin(rule.kind in standing, AlarmKind.SENSOR_BLIND in standing, now)
        self._end_forgotten(others)

    def reading(self, reading: Reading) -> None:
        value = reading.value if reading.quality is Quality.GOOD else None
        self._saw(f"{reading.device}.{reading.point}", value, reading.unit)

    def input_changed(self, event: InputChanged) -> None:
        self._saw(f"{event.device}.{event.input}", event.active, "")

    def health_changed(self, event: HealthChanged) -> None:
        now = self._clock.monotonic()
        for name, rule in self._rules.items():
            if rule.source.partition(".")[0] == event.device:
                answers = event.health is Health.ONLINE
                self._watches[name] = machine.device_answers(self._watches[name], answers, now)

    async def run(self) -> None:
        while True:
            self.look()
            await self._clock.sleep(LOOK_S)

    def look(self) -> None:
        """Time has passed: raise and end what is due, and tell people inside again."""
        now = self._clock.monotonic()
        for name, rule in self._rules.items():
            if name in self._motion:  # whether it is an alarm depends on the hour, too
                self._take(name, *self._seen(rule, self._motion[name], ""))
            self._take(name, *machine.tick(self._watches[name], rule, now))
        told = [rule.kind for name, rule in self._rules.items() if self._watches[name].standing]
        sentence = next((ALARM_SENTENCES[kind] for kind in ALARM_SENTENCES if kind in told), None)
        if sentence is not None and now - self._said_s >= SAY_S:
            self._said_s = now
            self._say(sentence)

    def _saw(self, source: str, value: float | bool | str | None, unit: str) -> None:
        for name, rule in self._rules.items():
            if rule.source == source:
                self._take(name, *self._seen(rule, value, unit))

    def _seen(self, rule: Rule, value: float | bool | str | None, unit: str) -> tuple[Watch, list[Effect]]:
        if rule.kind is AlarmKind.MOTION_CLOSED:
            value = self._motion_now(rule, value)
        return machine.saw(self._watches[rule.name], rule, value, unit, self._clock.monotonic())

    def _motion_now(self, rule: Rule, value: float | bool | str | None) -> float | bool | str | None:
        """While people may be inside, whatever moves there is no alarm."""
        if not isinstance(value, bool):
            self._motion.pop(rule.name, None)
            return value
        self._motion[rule.name] = value
        return value if self._closed() else rule.inverted

    def _take(self, name: str, watch: Watch, effects: Sequence[Effect]) -> None:
        self._watches[name] = watch
        rule = self._rules[name]
        for effect in effects:
            match effect:
                case Effect.RAISE:
                    self._alarms.raise_alarm(rule.kind, name, machine.detail(watch, rule))
                    if rule.kind in ALARM_SENTENCES:
                        self._said_s = self._clock.monotonic()
                        self._say(ALARM_SENTENCES[rule.kind])
                case Effect.CLEAR:
                    self._alarms.clear_alarm(rule.kind, name)
                case Effect.RAISE_BLIND:
                    minutes = f"{machine.BLIND_S / 60:g} minutes"
                    text = (
                        f"{rule.source} has told no usable value for {minutes}: {rule.kind.value} would not be noticed"
                    )
                    self._alarms.raise_alarm(AlarmKind.SENSOR_BLIND, name, text)
                case Effect.CLEAR_BLIND:
                    self._alarms.clear_alarm(AlarmKind.SENSOR_BLIND, name)

    def _end_forgotten(self, others: frozenset[str]) -> None:
        for kind, subject in self._alarms.all_standing():
            if subject in others or kind not in (*KINDS, AlarmKind.SENSOR_BLIND):
                continue
            rule = self._rules.get(subject)
            if rule is None or kind not in (rule.kind, AlarmKind.SENSOR_BLIND):
                self._alarms.clear_alarm(kind, subject)
