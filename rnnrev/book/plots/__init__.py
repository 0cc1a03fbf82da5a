"""Figures that only pages show, one module a chapter, beside those of :mod:`rnnrev.plots.report`."""
