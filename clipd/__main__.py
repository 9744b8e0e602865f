"""``python -m clipd`` is ``clipd``."""

from clipd.command import main

main()
