"""Build the book: each text below `book/text` becomes an executed notebook at the same place below `book`.

    python book/build.py                      build what changed
    python book/build.py book/text/index.md   build this one (its notebook may be named instead)
    python book/build.py --force              build everything
    python book/build.py --check              build nothing; list what is stale and exit with 1

People edit and review the text (MyST Markdown, read by jupytext); readers open the notebook.
The same text gives the same bytes: ids come from the place of a cell, times and kernel versions are dropped.
"""

import argparse
import hashlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import jupytext
import matplotlib.font_manager  # noqa: F401  (fills its cache here, else the first cell reports doing so)
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

BOOK = Path(__file__).resolve().parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# Points to a running kernel. Without one, Jupyter would show an error where the stored picture is.
WIDGET = "application/vnd.jupyter.widget-view+json"


def texts(book: Path) -> list[Path]:
    """Every source of the book, in reading order."""
    return sorted((book / "text").rglob("*.md"))


def notebooks(book: Path) -> list[Path]:
    """Every notebook that is there, built or left behind by a text that is gone."""
    return sorted(path for path in book.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def notebook_of(text: Path, book: Path) -> Path:
    """Where the notebook of a text belongs."""
    return (book / text.relative_to(book / "text")).with_suffix(".ipynb")


def read_text(text: Path, book: Path) -> NotebookNode:
    """The notebook that a text describes, not executed."""
    notebook = jupytext.read(text, fmt="md:myst")
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    place = text.relative_to(book).as_posix()
    for index, cell in enumerate(notebook.cells):
        cell.id = hashlib.sha256(f"{place}:{index}".encode()).hexdigest()[:8]
    return notebook


def essence(notebook: NotebookNode) -> list[tuple[str, str, dict[str, object]]]:
    """What a person wrote: the kind, source and metadata of each cell."""
    return [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in notebook.cells]


def is_stale(text: Path, book: Path) -> bool:
    """Whether the notebook of a text is missing, or made from an older text."""
    notebook = notebook_of(text, book)
    if not notebook.exists():
        return True
    return essence(nbformat.read(notebook, as_version=4)) != essence(read_text(text, book))


def orphans(book: Path) -> list[Path]:
    """Notebooks whose text is gone."""
    wanted = {notebook_of(text, book) for text in texts(book)}
    return [path for path in notebooks(book) if path not in wanted]


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Run every cell in a fresh kernel in `folder`; the reader's own files stay untouched.

    Raises CellExecutionError when a cell fails.
    """
    with tempfile.TemporaryDirectory() as home:
        private = {"EDGELIB_HOME": home, "IPYTHONDIR": f"{home}/ipython"}
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            resources={"metadata": {"path": str(folder)}},
            extra_arguments=["--log-level=ERROR"],
            timeout=600,
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,
        )
        client.execute(env=os.environ | private)
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)


def build(text: Path, book: Path) -> Path:
    """Make the notebook of one text, executed, and return its path. A failing cell leaves the old one."""
    notebook = read_text(text, book)
    path = notebook_of(text, book)
    path.parent.mkdir(parents=True, exist_ok=True)
    execute(notebook, path.parent)
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    return path


def main(argv: Sequence[str] | None = None, book: Path = BOOK) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, help="texts or notebooks; all of the book if none")
    parser.add_argument("--force", action="store_true", help="build what is up to date, too")
    parser.add_argument("--check", action="store_true", help="build nothing; exit with 1 if any is stale")
    options = parser.parse_args(argv)

    by_name = {name: text for text in texts(book) for name in (text, notebook_of(text, book))}
    unknown = [str(path) for path in options.files if path.resolve() not in by_name]
    if unknown:
        parser.error(f"not a text or notebook of the book: {', '.join(unknown)}")
    named = {by_name[path.resolve()] for path in options.files}
    chosen = sorted(named) or texts(book)
    stale = [text for text in chosen if options.force or is_stale(text, book)]
    if options.check:
        problems = [f"stale: {notebook_of(text, book).relative_to(book)}" for text in stale]
        problems += [f"no text: {path.relative_to(book)}" for path in orphans(book)]
        print("\n".join(problems or ["up to date"]))
        return 1 if problems else 0
    for text in stale:
        try:
            print(f"built {build(text, book).relative_to(book)}")
        except CellExecutionError as error:
            print(f"{text.relative_to(book)}: a cell failed\n{error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
