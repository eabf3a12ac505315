"""Which cells of a notebook have to run, and when is an answer complete? Decided by reading, not by running.

This works on text that a student wrote, and reading alone can crash Python (a million brackets), so it
happens inside the sandbox.
"""

from __future__ import annotations

import ast
import re

_SHELL = re.compile(r"^([ \t]*)[%!?].*$", re.MULTILINE)  # no \s: over empty lines it takes quadratic time
_UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


def python(source: str) -> tuple[str, list[ast.stmt]]:
    """A cell's source and its statements, none where it cannot be parsed.

    Lines for the notebook's shell (`%timeit`, `!ls`) are left out where they stop Python.
    """
    for text in (source, _SHELL.sub(r"\1pass", source)):
        try:
            return text, ast.parse(text).body
        except _UNPARSABLE:
            continue
    return text, []


def only_imports(statements: list[ast.stmt]) -> bool:
    """Whether all that a cell does is import."""
    return bool(statements) and all(isinstance(node, ast.Import | ast.ImportFrom) for node in statements)


def imported(statements: list[ast.stmt]) -> set[str]:
    """The modules that a cell of imports loads."""
    modules = {alias.name for node in statements if isinstance(node, ast.Import) for alias in node.names}
    return modules | {node.module or "" for node in statements if isinstance(node, ast.ImportFrom)} - {""}


def bound(statements: list[ast.stmt]) -> set[str]:
    """The names that a cell gives a value, as far as reading it can tell."""
    names: set[str] = set()
    pending: list[ast.AST] = list(statements)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)  # what is inside is local
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name)
        if not isinstance(node, ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))
    return names


def schedule(cells: list[tuple[str, str, bool]], names: list[str]) -> tuple[list[str | None], list[int]]:
    """What to run, and after which cell each answer is complete.

    Parameters
    ----------
    cells : (source, name of the answer in its metadata or "", whether it is still as released).
        A cell as released (a check, a picture, an empty answer) need not run, unless all it does is import.
    names : the answers asked for.

    Returns
    -------
    sources : what to run for each cell, None for nothing.
    ready : for each name the index of its last answer cell that runs; where it has none, of the last cell
        that binds it; -1 where none does. (A later cell may use the name for something else.)
    """
    sources: list[str | None] = []
    answered = {name: -1 for name in names}
    named = dict(answered)
    for index, (source, answer, given) in enumerate(cells):
        text, statements = python(source)
        sources.append(None if given and not only_imports(statements) else text)
        if sources[-1] is not None:
            answered |= {answer: index} if answer in answered else {}
            named |= dict.fromkeys(bound(statements) & named.keys(), index)
    return sources, [answered[name] if answered[name] >= 0 else named[name] for name in names]
