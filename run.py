#!/usr/bin/env python3
"""The project's two commands, and the benches: `python3 run.py demo | test | bench`.

This file must stay readable by any Python, so that an old one can say what is wrong in one sentence
instead of a syntax error. Everything else is in deploy/bootstrap/ (standard library only).
"""

import sys

OLDEST = (3, 11)


def main():  # type: ignore[no-untyped-def]
    if sys.version_info[:2] < OLDEST:
        found = ".".join(str(number) for number in sys.version_info[:2])
        sys.stderr.write("Yizhan needs Python 3.11 or newer, and this is " + found + ": start it with a newer one.\n")
        return 2
    if sys.platform == "win32":
        sys.stderr.write("Yizhan drives serial lines as POSIX has them: run it on Linux (WSL is one) or macOS.\n")
        return 2
    from deploy.bootstrap.cli import main as bootstrap

    return bootstrap(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
