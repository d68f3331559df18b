"""`yizhan-station models` and `yizhan-station faces`: model packs, and how well an engine does on labelled photos."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from station_agent.faces.engine import Engine
    from station_agent.faces.match import Gallery, Policy
    from station_agent.faces.packs import Pack
    from station_agent.faces.report import Rule

EXIT_REFUSED = 2

models = typer.Typer(no_args_is_help=True, help="Model packs: face engines, signed.")
faces = typer.Typer(no_args_is_help=True, help="How well faces are recognised.")

ModelsDir = Annotated[
    Path, typer.Option("--models", help="Folder of installed packs; `models` in the station's --state")
]
TrustFile = Annotated[
    Path, typer.Option("--trust", help="PEM of the Ed25519 keys that may sign packs; a station has model-keys.pem")
]


class EngineName(StrEnum):
    DLIB = "dlib"
    ONNX = "onnx"


@models.command()
def pack(
    draft: Annotated[Path, typer.Argument(help="Manifest (TOML); a missing sha256 is filled in")],
    weights: Annotated[Path, typer.Option(help="Folder of the files that it names")],
    key: Annotated[Path, typer.Option(help="Private Ed25519 key (PEM): openssl genpkey -algorithm ed25519")],
    out: Annotated[Path, typer.Option(help="New folder for the pack")],
) -> None:
    """Make a signed pack from weights."""
    from station_agent.faces import packs

    with _refusals():
        _say(packs.make(draft, weights, packs.signing_key(key), out), "made")


@models.command()
def verify(folder: Annotated[Path, typer.Argument(help="A pack")], trust: TrustFile) -> None:
    """Check a pack to the last byte; nothing is installed."""
    from station_agent.faces import packs

    with _refusals():
        _say(packs.verify(folder, packs.trusted_keys(trust)), "sound")


@models.command()
def add(folder: Annotated[Path, typer.Argument(help="A pack")], models_dir: ModelsDir, trust: TrustFile) -> None:
    """Install a pack. A station that runs takes it up at its next start."""
    from station_agent.faces import packs

    with _refusals():
        _say(packs.add(folder, models_dir, packs.trusted_keys(trust)), "installed")


@models.command("list")
def list_(models_dir: ModelsDir, trust: TrustFile) -> None:
    """Every installed pack, checked."""
    from station_agent.faces import packs
    from station_agent.faces.manifest import PackRefused

    with _refusals():
        keys = packs.trusted_keys(trust)
    refused = False
    for name in packs.names(models_dir):
        try:
            found, warning = packs.installed(models_dir, name, keys)
        except PackRefused as error:
            Console(stderr=True).print(f"[bold red]{escape(str(error))}[/]", soft_wrap=True)
            refused = True
            continue
        _say(found, "current")
        if warning:
            Console(stderr=True).print(f"[yellow]{escape(warning)}[/]", soft_wrap=True)
            refused = True
    if refused:
        raise typer.Exit(EXIT_REFUSED)


@faces.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Labelled photos: mated/NAME/*.jpg and strangers/*.jpg")],
    engine: Annotated[EngineName, typer.Option(help="Which engine looks")] = EngineName.DLIB,
    pack_dir: Annotated[Path | None, typer.Option("--pack", help="A model pack, for onnx")] = None,
    trust: Annotated[Path | None, typer.Option("--trust", help="PEM of the keys that may sign it")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.txt, report.json and the plots")] = None,
    left_out: Annotated[int | None, typer.Option(help="How many people are not enrolled; a sixth of them")] = None,
    seed: Annotated[int | None, typer.Option(help="Draws who is not enrolled")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text")] = False,
) -> None:
    """Error rates of an engine, with its own thresholds, on people who are not those of this station."""
    from station_agent.faces import report as reports
    from station_agent.faces.plots import plots

    console = Console(stderr=True)
    with _refusals():
        looking, rule = _engine(engine, pack_dir, trust)
        try:
            made = reports.measure(
                folder,
                looking,
                rule,
                seed=reports.SEED if seed is None else seed,
                left_out=left_out,
                tell=lambda line: console.print(escape(line), style="dim"),
            )
        except reports.NoFolder as error:
            raise typer.BadParameter(str(error), param_hint="FOLDER") from error
    told = json.dumps(made.as_json(), indent=1)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in {"report.json": told + "\n", "report.txt": made.text() + "\n", **plots(made)}.items():
            (out / name).write_text(content, "utf-8")
    print(told if as_json else made.text())


@faces.command("liveness-report")
def liveness_report(
    folder: Annotated[Path, typer.Argument(help="Pictures: live/ and attack/KIND/")],
    pack_dir: Annotated[Path, typer.Option("--pack", help="A model pack with liveness models")],
    trust: Annotated[Path, typer.Option("--trust", help="PEM of the keys that may sign it")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text")] = False,
) -> None:
    """APCER and BPCER (ISO/IEC 30107-3) of the passive liveness models, on these pictures alone."""
    from station_agent.faces import liveness_report as reports

    with _refusals():
        looking, _ = _engine(EngineName.ONNX, pack_dir, trust)
    try:
        made = reports.measure(folder, looking)
    except reports.NoPictures as error:
        raise typer.BadParameter(str(error), param_hint="FOLDER") from error
    print(json.dumps(made.as_json(), indent=1) if as_json else made.text())


@faces.command()
def rekey(
    state: Annotated[Path, typer.Option(help="The station's --state; the agent must not run")],
    keys: Annotated[Path | None, typer.Option(help="The station's --keys; `keys` beside --state by default")] = None,
) -> None:
    """Seal every face template with a new key and forget the old one."""
    from station_agent.faces.templates import TemplateStore, TemplatesUnusable

    key_dir = keys or state.parent / f"{state.name}-keys"
    try:
        count = TemplateStore(state / "faces.sqlite", key_dir / "faces.key").rekey()
    except TemplatesUnusable as error:
        Console(stderr=True).print(f"[bold red]{escape(str(error))}[/]", soft_wrap=True)
        raise typer.Exit(EXIT_REFUSED) from error
    print(f"{count} templates have a new key")


def _engine(name: EngineName, pack_dir: Path | None, trust: Path | None) -> tuple[Engine, Rule]:
    from station_agent.faces import packs
    from station_agent.faces.calibrate import calibrate
    from station_agent.faces.engine import ENGINES, load
    from station_agent.faces.match import STRICT, calibrated

    if name is EngineName.DLIB:
        return load(ENGINES[name]), lambda enrolled: STRICT
    if pack_dir is None or trust is None:
        raise typer.BadParameter("the onnx engine needs a model pack and the key that signed it", param_hint="--pack")
    found = packs.verify(pack_dir, packs.trusted_keys(trust))

    def rule(enrolled: Gallery) -> Policy:
        made = calibrate(enrolled, found.manifest.threshold)
        return calibrated(made.threshold, made.verify)

    return load(ENGINES[name], str(found.folder), found.digest), rule


@contextmanager
def _refusals() -> Iterator[None]:
    from station_agent.faces.manifest import PackRefused

    try:
        yield
    except PackRefused as error:
        Console(stderr=True).print(f"[bold red]{escape(str(error))}[/]", soft_wrap=True)
        raise typer.Exit(EXIT_REFUSED) from error


def _say(found: Pack, what: str) -> None:
    manifest = found.manifest
    liveness = f"{len(manifest.liveness)} for liveness" if manifest.liveness else "NO LIVENESS"
    print(f"{what}: {found.title} ({manifest.engine}, {manifest.licence}; {liveness}) signed by {found.signed_by}")
    for model in manifest.models:
        print(f"  {model.file}  {model.sha256[:16]}  {model.licence}  {model.source}")
