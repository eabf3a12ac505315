"""What every test run needs, the notebooks below `book` included."""

import os
import tempfile

import matplotlib.font_manager  # noqa: F401  (fills its cache once, before cells or tests would report it)
from nbval.kernel import RunningKernel

# Notebooks record the reader's guesses. Those of a test run go to a folder of their own.
_home = tempfile.TemporaryDirectory(prefix="edgelib-tests-")
os.environ["EDGELIB_HOME"] = _home.name
os.environ["IPYTHONDIR"] = os.path.join(_home.name, "ipython")


def _execute(kernel: RunningKernel, source: str, allow_stdin: bool | None = None) -> str:
    return kernel.kc.execute(source, allow_stdin=allow_stdin, stop_on_error=False)


# nbval keeps no history, and without it IPython overlooks the ";" that ends a plotting cell.
RunningKernel.execute_cell_input = _execute
