"""The commands of `yizhan-bridge`, and nothing else."""

from __future__ import annotations

import logging

import typer

import firmware_bridge.cli as package
from firmware_bridge.cli import flash, identify, image, monitor, probe, scan, simulate

app = typer.Typer(add_completion=False, no_args_is_help=True, help=package.__doc__, rich_markup_mode=None)
app.command()(scan.scan)
app.command()(probe.probe)
app.command()(monitor.monitor)
app.command()(identify.identify)
app.command()(flash.flash)
app.command()(image.image)
app.command()(simulate.simulate)


def main() -> None:
    """The console script."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    app()
