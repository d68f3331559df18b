"""In what order a search asks, and what it leaves out."""

import asyncio
import random

import pytest

from firmware_bridge.codecs import modbus_rtu as modbus
from firmware_bridge.discovery.questions import Framing, Reach, framings_of
from firmware_bridge.discovery.scouts import LISTENERS, SCOUTS
from firmware_bridge.discovery.serial_search import Plan, SearchError, search_line


def test_framings_that_many_devices_are_shipped_with_come_first():
    order = framings_of((*SCOUTS, *LISTENERS))
    assert order[0] == Framing(9600)
    assert len(order) == len(set(order))
    for scout in SCOUTS:
        assert set(scout.framings) <= set(order)


def test_a_named_framing_is_the_only_one_and_everybody_is_asked_in_it():
    plan = Plan(SCOUTS, LISTENERS, framings=(Framing(57600),))
    ((framing, listeners, scouts),) = plan.steps()
    assert (framing, listeners, scouts) == (Framing(57600), LISTENERS, SCOUTS)


@pytest.mark.parametrize("scout", SCOUTS, ids=lambda scout: scout.protocol)
def test_every_question_has_words_and_bytes_and_each_is_asked_once(scout):
    usual = list(scout.questions(Reach()))
    all_of_them = list(scout.questions(Reach(every_address=True)))
    assert usual
    assert {question.title for question in usual} <= {question.title for question in all_of_them}
    assert len({question.title for question in all_of_them}) == len(all_of_them)
    for question in all_of_them:
        assert b"".join(question.exchange.parts)
        assert question.exchange.reply is not None


def test_a_modbus_search_asks_and_never_writes():
    (scout,) = [scout for scout in SCOUTS if scout.protocol == "modbus"]
    for question in scout.questions(Reach(every_address=True)):
        ((_, request),) = modbus.RequestParser().feed(question.exchange.parts[0])
        assert isinstance(request, modbus.Read)


def test_units_at_which_known_devices_leave_the_factory_are_asked_besides():
    (scout,) = [scout for scout in SCOUTS if scout.protocol == "modbus"]
    asked = [question.title for question in scout.questions(Reach(modbus_units=frozenset({2, 245})))]
    assert asked[-1] == "Modbus unit 245"
    assert len(asked) == 33


async def test_a_line_that_is_not_there_is_named(tmp_path, system_clock):
    with pytest.raises(SearchError, match="cannot be opened"):
        await search_line(str(tmp_path / "none"), Plan(SCOUTS, ()), clock=system_clock, rng=random.Random(1))
    assert asyncio.all_tasks() == {asyncio.current_task()}
