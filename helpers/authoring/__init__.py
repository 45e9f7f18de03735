"""Tools of the maintainers: build the notebooks, compute the long tables, measure."""
