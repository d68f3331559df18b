"""Weekly schedules: on which days, from when until when, by the station's own wall clock.

    Period(days=(MON, TUE), start="22:00", end="06:00")     Monday 22:00 until Tuesday 06:00, and the night after

A span whose end is before its start runs past midnight and belongs to the day on which it began. The wall clock
decides and nothing else: in the night that summer time begins a span is an hour shorter, in the night that it ends
the hour that comes twice is inside twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from station_agent.wire.model import Wire

StartTime = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
EndTime = Annotated[str, StringConstraints(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
"""24:00 is the end of the day; 00:00 as an end is refused, since it reads as both."""


class Day(StrEnum):
    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


_DAYS = tuple(Day)


class Span(Wire):
    """From `start` on, until `end` and not a minute of it; `end` before `start` is on the next day."""

    start: StartTime
    end: EndTime

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.end == self.start:
            raise ValueError(f"{self.start} to {self.end} is empty; the whole day is 00:00 to 24:00")
        if self.end == "00:00":
            raise ValueError("the end of a day is written 24:00")
        return self

    @property
    def past_midnight(self) -> bool:
        return self.end < self.start


class Period(Span):
    """A span that begins on each of these days."""

    days: tuple[Day, ...] = Field(min_length=1, max_length=7)


class DayException(Wire):
    """What is true on one date instead of its weekday's periods; no span: nothing on that day."""

    date: date
    spans: tuple[Span, ...] = Field(default=(), max_length=8)
    note: str = Field(default="", max_length=80, description="for people: Spring Festival")


class Schedule(Wire):
    """No period at all is never."""

    periods: tuple[Period, ...] = Field(default=(), max_length=32)
    exceptions: tuple[DayException, ...] = Field(default=(), max_length=64)

    @model_validator(mode="after")
    def _one_word_a_date(self) -> Self:
        dates = [exception.date for exception in self.exceptions]
        if len(set(dates)) != len(dates):
            raise ValueError("two exceptions for one date")
        return self

    def covers(self, local: datetime) -> bool:
        """Whether this moment of the station's wall clock is inside."""
        clock = f"{local:%H:%M}"
        today = local.date()
        if any(span.start <= clock and (span.past_midnight or clock < span.end) for span in self._spans(today)):
            return True
        yesterday = today - timedelta(days=1)
        return any(span.past_midnight and clock < span.end for span in self._spans(yesterday))

    def _spans(self, day: date) -> Iterable[Span]:
        for exception in self.exceptions:
            if exception.date == day:
                return exception.spans
        weekday = _DAYS[day.weekday()]
        return (period for period in self.periods if weekday in period.days)
