"""`python -m firmware_bridge.cli`, the same as the console script."""

from firmware_bridge.cli.app import main

main()
