"""The notebooks of the book, for the tests that read all of them."""

import nbformat
from nbformat import NotebookNode

from book.build import BOOK, notebooks

NOTEBOOKS = [path.relative_to(BOOK).as_posix() for path in notebooks(BOOK)]


def read(name: str) -> NotebookNode:
    """A notebook by its path below book/."""
    return nbformat.read(BOOK / name, as_version=4)
