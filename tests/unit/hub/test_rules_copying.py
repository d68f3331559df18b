"""The same rules for another station: what comes, what stays, and nothing left over."""

from cloud_hub.rules.copying import copied
from cloud_hub.rules.models import RulesParts
from cloud_hub.rules.questions import CopyPart

DAY = {"periods": [{"days": ["mon"], "start": "06:00", "end": "22:00"}]}
NIGHT = {"periods": [{"days": ["mon"], "start": "22:00", "end": "06:00"}]}
SOURCE = RulesParts.model_validate(
    {
        "schedules": {"day": DAY, "night": NIGHT},
        "opening": "day",
        "roles": {"cleaner": {"schedule": "night"}},
        "capacity": {"people_max": 12},
        "passback": {"mode": "delay"},
        "labels": {"schedules": {"night": "夜间"}, "roles": {"cleaner": "保洁员"}},
    }
)
EVERYTHING = tuple(CopyPart)


def test_everything_makes_it_the_same_but_for_people() -> None:
    target = RulesParts.model_validate({"hold_s": {"0d00000000000001": 20}, "capacity": {"people_max": 3}})
    assert copied(SOURCE, target, EVERYTHING) == SOURCE.model_copy(update={"hold_s": target.hold_s})


def test_what_was_not_asked_for_stays() -> None:
    target = RulesParts.model_validate({"capacity": {"people_max": 3}, "remote": {"second_person": "always"}})
    got = copied(SOURCE, target, (CopyPart.HOURS,))
    assert got.opening == "day"
    assert list(got.schedules) == ["day"]
    assert (got.roles, got.capacity, got.remote, got.passback) == ({}, target.capacity, target.remote, target.passback)


def test_a_schedule_that_somebody_else_needs_is_not_overwritten() -> None:
    target = RulesParts.model_validate({"schedules": {"night": DAY}, "opening": "night"})
    got = copied(SOURCE, target, (CopyPart.ROLES,))
    assert got.opening == "night"
    assert got.schedules["night"] == target.schedules["night"]
    assert got.roles["cleaner"].schedule == "night-2"
    assert got.schedules["night-2"] == SOURCE.schedules["night"]
    assert got.labels.schedules == {"night-2": "夜间"}
    assert got.labels.roles == {"cleaner": "保洁员"}


def test_what_nothing_names_any_more_goes() -> None:
    target = RulesParts.model_validate({"schedules": {"old": NIGHT}, "opening": "old"})
    assert "old" not in copied(SOURCE, target, (CopyPart.HOURS,)).schedules


def test_always_open_is_copied_as_that() -> None:
    assert copied(RulesParts(), SOURCE, (CopyPart.HOURS,)).opening is None
