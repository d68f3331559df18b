"""Owns run.py's command line: reads it, runs the command, turns what can go wrong into one sentence.

Exit status: 0 all well; 1 something failed; 2 it could not begin (or was asked for wrongly); 130 Ctrl-C.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from deploy.bootstrap import demo, processes, suite
from deploy.bootstrap.console import Console, Stop, standard_console
from deploy.bootstrap.places import HERE, Places

EPILOG = "Everything is made below .venv and .yizhan; mirrors come from your own pip, uv and npm settings."


def main(argv: Sequence[str]) -> int:
    options, rest = parse(argv)
    # A command whose output is data (bench --json) keeps standard output for it.
    console = Console(sys.stderr) if options.command == "bench" else standard_console()
    processes.interrupt_on_termination()
    # Containers often set it, and then every process that we start would compile all of its modules again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        return run(options, rest, HERE, console)
    except Stop as reason:
        console.say()
        sys.stdout.flush()
        sys.stderr.write(f"{reason}\n")
        return 2
    except KeyboardInterrupt:
        console.say("\nended")
        return 130


def run(options: argparse.Namespace, rest: list[str], places: Places, console: Console) -> int:
    match options.command:
        case "demo":
            return demo.run(places, console, port=options.port, seconds=options.seconds, fresh=options.fresh)
        case "test":
            return suite.run(places, console, quick=options.quick, pytest_args=rest)
        case _:
            words = [*options.names]
            words += [f"--{name}" for name in ("quick", "json") if getattr(options, name)]
            return suite.bench(places, console, words)


def parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options, and what follows a bare `--` (for pytest)."""
    words = list(argv)
    cut = words.index("--") if "--" in words else len(words)
    words, rest = words[:cut], words[cut + 1 :]
    parser = argparse.ArgumentParser(prog="run.py", epilog=EPILOG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="demo | test | bench")

    demo_options = commands.add_parser("demo", help="start hub, broker and two virtual stations", epilog=EPILOG)
    demo_options.add_argument("--port", type=int, default=8000, help="the hub's; doors get PORT+101 and +102")
    demo_options.add_argument("--seconds", type=_seconds, help="end by itself so long after all is live")
    demo_options.add_argument("--fresh", action="store_true", help="forget what earlier demos left")

    test_options = commands.add_parser("test", help="run everything that proves it", epilog=EPILOG)
    test_options.add_argument("--quick", action="store_true", help="leave out the suites that take minutes")
    test_options.usage = "run.py test [-h] [--quick] [-- PYTEST ARGUMENTS]   (with these, pytest runs alone)"

    bench_options = commands.add_parser("bench", help="measure; rewrites docs/benchmarks.md", epilog=EPILOG)
    bench_options.add_argument("names", nargs="*", metavar="NAME", help="which benches; all without")
    bench_options.add_argument("--quick", action="store_true", help="at most 40 s a bench, writes nothing")
    bench_options.add_argument("--json", action="store_true", help="rows as JSON on standard output")

    options = parser.parse_args(words)
    if rest and options.command != "test":
        parser.error("only `test` takes arguments after `--`")
    return options, rest


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return value
