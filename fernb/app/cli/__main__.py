"""``python -m fernb.app.cli``."""

from fernb.app.cli import main

main()
