"""Every number in the prose is computed, or stated in code; and the check that says so is itself checked."""

import pytest
from nbformat import NotebookNode, v4

from tests.notebooks.book import NOTEBOOKS, read
from tests.notebooks.prose_numbers import numbers, unsupported


def notebook(
    prose: str, stdout: str = "", code: str = "pass", data: dict[str, str] | None = None
) -> NotebookNode:
    outputs = [v4.new_output("stream", name="stdout", text=stdout)]
    outputs.append(v4.new_output("display_data", data=data or {}))
    cells = [
        v4.new_markdown_cell("# Title"),
        v4.new_code_cell(code, outputs=outputs),
        v4.new_markdown_cell(prose),
    ]
    return v4.new_notebook(cells=cells)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,024 tokens", ["1024"]),
        ("6,738,415,616 parameters", ["6738415616"]),
        ("$1{,}024$", ["1024"]),
        ("3.5 tok/s", ["3.5"]),
        ("about 10 % less, or 10%", ["10%", "10%"]),
        ("a 7B model", ["7"]),
        ("4096", ["4096"]),
        ("1e9 and 2.5e-3", ["1e9", "2.5e-3"]),
        ("20-50 ms, 20–50 ms, 20..50", ["20", "50"] * 3),
        ("It is 14.", ["14"]),
        ("-3.5 °C, 37×", ["3.5", "37"]),
        ("$\\frac{14}{2^{30}}$", ["14", "2", "30"]),
        ("x=13, 51.2GB/s", ["13", "51.2"]),
        ("INT8 FP16 LLaMA-7B Q4_0 llama-2-13b Cortex-A78 M1-7c/GPU", []),
        ("Snapdragon 865, Adreno 740, Gen 3, Llama 2, arXiv:2211.17192", []),
        ("1.2.1 and F1.2.1.05 and Ex2.01 and section 1.2", []),
        ("16-bit weights", []),
    ],
)
def test_what_is_a_number(text: str, found: list[str]) -> None:
    assert numbers(text) == found


@pytest.mark.parametrize(
    "prose",
    [
        "It takes 13.2 ms.",
        "It takes 13.20 ms.",
        "1,024 tokens, in math $1{,}024$",
        "`99` is code, [99](https://example.org/99) a link, <b>bold</b>",
        "```\n99\n```",
        "## 99.1 A heading\n\n99. a list",
        "Twelve is 12, and 0 is less.",
        "> **Check the chapter.** It says 13.2 ms.",
        "Source: Leviathan, 2023.",
        "## Sources\n\n- Leviathan, 2023.",
        "Half of it: 50 %. A literal: 4,096.",
    ],
)
def test_accepts(prose: str) -> None:
    assert unsupported(notebook(prose, "13.20 ms 1024 50 %", "size = 4_096")) == []


@pytest.mark.parametrize(
    ("prose", "number"),
    [
        ("It takes 13.3 ms.", "13.3"),
        ("It takes 13.200 ms.", "13.200"),
        ("It takes 13 ms.", "13"),
        ("1,025 tokens", "1025"),
        ("A 70B model", "70"),
        ("5 % of it", "5%"),
        ("2.5 times", "2.5"),
        ("In 2023 it was slow.", "2023"),
        ("## Sources\n\n## After that\n\n2023", "2023"),
        ("## It takes 99 ms", "99"),
        ("A 45 minutes walk", "45"),
        ("a < 5 and b > 20", "20"),
        ("$T = 99$", "99"),
    ],
)
def test_refuses(prose: str, number: str) -> None:
    problems = unsupported(notebook(prose, "13.20 ms 1024 50 %", "size = 4_096  # not 99\ntext = '99'"))
    assert [problem.split()[0] for problem in problems] == [number]


def test_reads_plain_and_html_outputs_and_nothing_else_of_them() -> None:
    shown = {
        "text/plain": "17",
        "text/html": "<style>p {width: 18px}</style><p width='19'>20</p>",
        "image/png": "21",
    }
    problems = unsupported(notebook("17 18 19 20 21", data=shown))
    assert [problem.split()[0] for problem in problems] == ["18", "19", "21"]


def test_front_matter_may_state_the_minutes() -> None:
    cells = [v4.new_markdown_cell("# Title\n\n45 minutes"), v4.new_markdown_cell("45 minutes")]
    assert len(unsupported(v4.new_notebook(cells=cells))) == 1


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_prose_of_the_book(name: str) -> None:
    assert unsupported(read(name)) == []
