"""``python -m clipd.ctl``: clipctl, where its script is not at hand."""

import sys

from clipd.ctl.command import main

sys.exit(main())
