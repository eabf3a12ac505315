"""The explorables of the book's notebooks, one module per topic."""
