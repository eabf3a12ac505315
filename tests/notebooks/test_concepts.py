"""book/concepts.csv: every concept that the book promises has a place in it that exists."""

import csv
import re

from book.build import BOOK
from tests.notebooks.book import read

# Rows of the chapter's inventory, by section.
WRITTEN = {
    **{"F1.1.1": 43, "F1.1.2": 32},
    **{"F1.2": 1, "F1.2.1": 9, "F1.2.2": 8, "F1.2.3": 7, "F1.2.4": 6},
    "FEx2": 1,
    "FEx3": 1,
    "FEx4": 1,
