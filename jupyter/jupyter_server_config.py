"""Settings of `make lab`: JupyterLab reads this folder through JUPYTER_CONFIG_PATH."""

import os
from pathlib import Path

c = get_config()  # noqa: F821  (Jupyter defines it)

# The file browser starts at the repository, so that book, exercises and library are in reach.
c.ServerApp.root_dir = str(Path(__file__).parents[1])

# The printed address leads to the book, too, where no browser can be opened.
c.LabApp.default_url = "/lab/tree/book/index.ipynb"

# In a container you are root, and Jupyter refuses to start. Everybody else keeps Jupyter's own rule.
c.ServerApp.allow_root = hasattr(os, "geteuid") and os.geteuid() == 0
