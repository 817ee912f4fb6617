"""One module per step; the number at the head of its name is its revision."""
