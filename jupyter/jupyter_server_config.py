"""Settings of `make lab`: JupyterLab reads this folder through JUPYTER_CONFIG_PATH."""

import os
from pathlib import Path

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

c = get_config()  # noqa: F821  (Jupyter defines it)

# The file browser starts at the repository, so that book, exercises and library are in reach.
c.ServerApp.root_dir = str(Path(__file__).parents[1])

# The printed address leads to the book, too, where no browser can be opened.
c.LabApp.default_url = "/lab/tree/book/index.ipynb"

# In a container you are root, and Jupyter refuses to start. Everybody else keeps Jupyter's own rule.
c.ServerApp.allow_root = hasattr(os, "geteuid") and os.geteuid() == 0


class PromptConnection(ZMQChannelsWebsocketConnection):
    """Sends each message at once: otherwise TCP (Nagle) holds the answer to a slider back for 40 ms."""

    def connect(self):
        self.websocket_handler.set_nodelay(True)
        return super().connect()


def keep_pictures(model, **_):
    """Save the picture of an explorable, not the widget: without its kernel a widget shows an error."""
    if model["type"] != "notebook" or not model.get("content"):
        return
    for cell in model["content"]["cells"]:
        for output in cell.get("outputs", []):
            if "text/plain" in output.get("data", {}):
                output["data"].pop("application/vnd.jupyter.widget-view+json", None)


c.ServerApp.kernel_websocket_connection_class = PromptConnection
c.ContentsManager.pre_save_hook = keep_pictures
