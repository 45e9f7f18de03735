"""How fast the course is, beside its sources' loops, an older commit and the arithmetic limit."""
