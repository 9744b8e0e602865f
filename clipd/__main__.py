"""``python -m clipd`` is ``clipd``."""

from clipd.cli.command import main

main()
