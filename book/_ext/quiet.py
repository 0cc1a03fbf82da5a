"""Read by the kernels that run chapters (PYTHONSTARTUP): on a slow machine a progress bar would be an output."""

from functools import partialmethod

from tqdm.notebook import tqdm_notebook

tqdm_notebook.__init__ = partialmethod(tqdm_notebook.__init__, disable=True)
