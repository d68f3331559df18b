"""Owns the pictures of a report, drawn as SVG by hand: an edge box has no plotting library.

scores.svg    how often each score occurs 1:1, same person and different people
det.svg       for every threshold: strangers let in against members turned away (both axes logarithmic)
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import inf, isfinite, log10

import numpy as np

from station_agent.faces.report import Report

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 30, 50
GENUINE, IMPOSTOR, MARK = "#1a7f37", "#b42318", "#555555"
BINS = 60
LEAST = 1e-5  # of a share on a logarithmic axis; a share of 0 is drawn there

Points = Sequence[tuple[float, float]]


def plots(report: Report) -> dict[str, str]:
    """SVG by file name."""
    return {"scores.svg": _scores(report), "det.svg": _det(report)}


def _scores(report: Report) -> str:
    edges = np.linspace(min(report.genuine + report.impostor), max(report.genuine + report.impostor), BINS + 1)
    parts: list[str] = []
    curves = [(report.genuine, GENUINE, "the same person"), (report.impostor, IMPOSTOR, "different people")]
    shares = [np.histogram(scores, edges)[0] / len(scores) for scores, _, _ in curves]
    highest = max(float(share.max()) for share in shares)
    for i, ((scores, colour, name), share) in enumerate(zip(curves, shares, strict=True)):
        steps = [
            (_across(x, edges[0], edges[-1]), _up(float(y), 0, highest))
            for left, right, y in zip(edges[:-1], edges[1:], share, strict=True)
            for x in (left, right)
        ]
        parts += [_line(steps, colour), _legend(i, colour, f"{name} ({len(scores)})")]
    for value, name in ((report.threshold, "1:N"), (report.verify_threshold, "1:1")):
        x = _across(value, edges[0], edges[-1])
        parts.append(_line([(x, TOP), (x, HEIGHT - BOTTOM)], MARK, dashes="4 3"))
        parts.append(_text(x + 3, TOP + 10, name))
    parts += _ticks(edges[0], edges[-1])
    return _svg(f"Scores 1:1 ({report.engine})", "score", "share of comparisons", parts)


def _det(report: Report) -> str:
    mated, others = np.asarray(report.mated_search), np.asarray(report.other_search)
    limits = np.unique(np.concatenate([mated, others]))
    searched = [
        (float(np.mean(others >= limit)), float(np.mean(mated < limit))) for limit in limits if isfinite(float(limit))
    ]
    compared = list(zip(report.verify.false_match.tolist(), report.verify.false_non_match.tolist(), strict=True))
    rows = [
        (searched, GENUINE, f"search among {report.people} people: FPIR, FNIR"),
        (compared, IMPOSTOR, "comparison 1:1: FMR, FNMR"),
    ]
    parts = []
    for i, (points, colour, name) in enumerate(rows):
        parts.append(_line([(_across(_log(x), -5, 0), _up(_log(y), -5, 0)) for x, y in points], colour))
        parts.append(_legend(i, colour, name))
    for power in range(-5, 1):
        told = f"{100 * 10.0**power:g} %"
        parts.append(_text(_across(power, -5, 0) - 12, HEIGHT - BOTTOM + 16, told))
        parts.append(_text(4, _up(power, -5, 0) + 4, told))
    return _svg(f"Detection error trade-off ({report.engine})", "let in by mistake", "", parts)


def _log(share: float) -> float:
    return log10(max(share, LEAST))


def _across(value: float, low: float, high: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / ((high - low) or inf)


def _up(value: float, low: float, high: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / ((high - low) or inf)


def _ticks(low: float, high: float) -> list[str]:
    return [_text(_across(x, low, high) - 8, HEIGHT - BOTTOM + 16, f"{x:.1f}") for x in np.linspace(low, high, 9)]


def _line(points: Points, colour: str, dashes: str = "none") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5" stroke-dasharray="{dashes}"/>'


def _legend(row: int, colour: str, name: str) -> str:
    y = TOP + 14 + 16 * row
    return _line([(WIDTH - 270, y - 4), (WIDTH - 250, y - 4)], colour) + _text(WIDTH - 245, y, name)


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="11" font-family="sans-serif">{escape(text)}</text>'


def _svg(title: str, across: str, up: str, parts: Sequence[str]) -> str:
    frame = (
        f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}" '
        'fill="none" stroke="#999999"/>'
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
    words = [_text(LEFT, TOP - 10, title), _text(WIDTH / 2, HEIGHT - 10, across), _text(4, TOP - 10, up)]
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    return "\n".join([head, ground, frame, *words, *parts, "</svg>"]) + "\n"
