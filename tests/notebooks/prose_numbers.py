"""Which numbers does the prose of a notebook state without computing them?

A number in a Markdown cell must be written, to the same digits, in an output of the notebook or as a literal
in one of its code cells. Free are whole numbers up to 12 (but no percentage), and years in a citation.
"""

import html
import io
import re
import tokenize
from decimal import Decimal

from nbformat import NotebookNode

_NOT_PROSE = (
    r"^[ \t]*(```|~~~).*?^[ \t]*\1",  # fenced code
    r"`[^`\n]+`",  # code span
    r"!?\[[^\]]*\]\([^)]*\)",  # link, picture
    r"https?://\S+",
    r"</?[A-Za-z][^<>\n]*>",  # tag
    r"(?<=\#) +\d+(?:\.\d+)*\.?(?=\s)",  # section number of a heading
    r"^[> \t]*\d+[.)](?=\s)",  # ordered list
)
_PRODUCTS = (
    "Adreno|Dimensity|Exynos|Galaxy|Gemma|Gen|Helio|Immortalis|iPhone|Jetson|Kirin|Kryo|Llama|Mali|Mi|"
    "OnePlus|Pi|Pixel|Phi|Qwen|RTX|Snapdragon|Xiaomi"
)
_NAMES = (
    rf"\b(?:{_PRODUCTS}) \d[\w.-]*\w|\b(?:{_PRODUCTS}) \d",  # Snapdragon 8, Adreno 740
    r"\b(?:[Ss]ection|[Cc]hapter|[Ff]igure|[Tt]able|[Ee]xercise|[Ee]quation|[Pp]art) [A-Z]?\d+(?:\.\d+)*",
    r"\barXiv:\d+\.\d+(?:v\d+)?",
    r"\b[A-Za-z]*(?:\d+\.){2,}\d+\b",  # 1.2.1, F1.2.1.05
    r"\b\d+-bit\b",
    r"\\[A-Za-z]+",  # TeX command
    r"(?<![\w.])[A-Za-z_]\w*(?:[-.]\w+)*",  # INT8, Q4_0, LLaMA-7B, llama-2-7b and plain words
)
_DIGITS = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?(?:[eE][+-]?\d+(?!\d))?"
_NUMBER = re.compile(rf"(?<!\d)(?<!\d\.)(?:{_DIGITS})(?:[ \u00a0\u202f]?%)?")
_YEAR = re.compile(r"(?:19|20)\d\d")
_CITATION = re.compile(r"[> \t*-]*Sources?\b")
_STYLE = re.compile(r"<(style|script)\b.*?</\1>|<[^>]+>", re.DOTALL)
_MINUTES = re.compile(r"\b\d+ minutes\b")


def numbers(text: str) -> list[str]:
    """The numbers of a text as written, without thousands separators; a percent sign stays."""
    text = re.sub(r"(?<=\d)(?:\{,\}|[\u2009\u202f])(?=\d{3})", ",", text)
    for pattern in _NAMES:
        text = re.sub(pattern, " ", text)
    return [re.sub(r"[,\s]", "", number) for number in _NUMBER.findall(text)]


def prose_lines(markdown: str) -> list[str]:
    """The lines of a Markdown cell without code, links, section numbers and list numbers."""
    for pattern in _NOT_PROSE:
        markdown = re.sub(pattern, " ", markdown, flags=re.MULTILINE | re.DOTALL)
    return markdown.splitlines()


def computed(notebook: NotebookNode) -> set[str]:
    """Every number that the outputs show or that the code states."""
    found: set[str] = set()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        for output in cell.outputs:
            data = output.get("data", {})
            shown = [data.get("text/plain", ""), html.unescape(_STYLE.sub(" ", data.get("text/html", "")))]
            if output.get("name") == "stdout":
                shown.append(output.text)
            found.update(number.rstrip("%") for text in shown for number in numbers(text))
        # IPython's own lines (%magic, !shell) are no Python.
        source = re.sub(r"^\s*[%!].*$", "", cell.source, flags=re.MULTILINE)
        tokens = tokenize.generate_tokens(io.StringIO(source).readline)
        found.update(token.string.replace("_", "") for token in tokens if token.type == tokenize.NUMBER)
    return found


def _decimals(number: str) -> int:
    return len(number.partition(".")[2])


def _shows(evidence: str, number: str) -> bool:
    """Whether `evidence` is `number` with at least its digits: 3.50 shows 3.5, 3.5 does not show 3.50."""
    if not re.fullmatch(_DIGITS, evidence) or Decimal(evidence) != Decimal(number):
        return False
    scientific = "e" in (evidence + number).lower()
    return scientific or _decimals(evidence) >= _decimals(number)


def unsupported(notebook: NotebookNode) -> list[str]:
    """One line for each number of the prose that nothing in the notebook shows."""
    evidence = computed(notebook)
    problems = []
    in_sources = False
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    for index, markdown in enumerate(prose):
        for line in prose_lines(markdown):
            if line.startswith("#"):
                in_sources = "sources" in line.lower()
            citation = in_sources or _CITATION.match(line)
            # The front matter tells how long a reading takes.
            for number in numbers(_MINUTES.sub(" ", line) if index == 0 else line):
                free = (citation and _YEAR.fullmatch(number)) or (number.isdigit() and int(number) <= 12)
                if not free and not any(_shows(shown, number.rstrip("%")) for shown in evidence):
                    problems.append(f"{number} in: {line.strip()}")
    return problems
