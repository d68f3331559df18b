"""What the station says to whoever is inside while an alarm stands that is about their lives. One page of the sign."""

from __future__ import annotations

from station_agent.access.sentences import Sentence
from station_agent.wire.kinds import AlarmKind

ALARM_SENTENCES: dict[AlarmKind, Sentence] = {
    AlarmKind.SMOKE: Sentence("有烟,请马上离开", "Smoke: please leave now"),
    AlarmKind.GAS: Sentence("燃气泄漏,请离开", "Gas is leaking: please leave now, and touch no switch"),
    AlarmKind.CO_HIGH: Sentence("一氧化碳,请离开", "Carbon monoxide: please leave now, into fresh air"),
}
