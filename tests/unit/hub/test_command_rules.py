"""What a report makes of a command's status."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_hub.commands.rules import Standing, advance, give_up
from station_agent.wire.kinds import FINAL_STATUSES, CommandStatus

QUEUED = Standing(CommandStatus.QUEUED, told_by_station=False)
GIVEN_UP = Standing(CommandStatus.EXPIRED, told_by_station=False)
FINAL = sorted(FINAL_STATUSES)
TOLD = [CommandStatus.ACCEPTED, *FINAL]


@pytest.mark.parametrize("told", TOLD)
@pytest.mark.parametrize("now", [QUEUED, Standing(CommandStatus.SENT, False), GIVEN_UP])
def test_the_stations_word_wins_over_the_hubs(now: Standing, told: CommandStatus) -> None:
    assert advance(now, told) == Standing(told, told_by_station=True)


@pytest.mark.parametrize("final", FINAL)
@pytest.mark.parametrize("told", TOLD)
def test_a_stations_final_word_stands(final: CommandStatus, told: CommandStatus) -> None:
    assert advance(Standing(final, told_by_station=True), told) is None


def test_the_hubs_own_words_are_not_a_stations_to_say() -> None:
    assert advance(GIVEN_UP, CommandStatus.QUEUED) is None
    assert advance(QUEUED, CommandStatus.SENT) is None


def test_only_what_no_station_took_is_given_up() -> None:
    assert give_up(QUEUED) == GIVEN_UP
    assert give_up(Standing(CommandStatus.ACCEPTED, told_by_station=True)) is None
    assert give_up(GIVEN_UP) is None


@given(st.lists(st.sampled_from([*CommandStatus, None])))
def test_the_first_final_word_of_the_station_is_the_end(words: list[CommandStatus | None]) -> None:
    """None: the hub's time is over."""
    standing = QUEUED
    for word in words:
        standing = (give_up(standing) if word is None else advance(standing, word)) or standing
    finals = [word for word in words if word in FINAL_STATUSES]
    if finals:
        assert standing == Standing(finals[0], told_by_station=True)
