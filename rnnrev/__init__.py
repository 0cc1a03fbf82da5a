"""rnnrev: how recurrent networks read a review, to reproduce, to understand and to perturb."""

__version__ = "0.2.0"
