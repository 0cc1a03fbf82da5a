"""Independent pieces of work, one thread a processor; and BLAS with one thread, for the whole process.

The matrices of this package are small: a second BLAS thread costs more than it brings, and beside a busy process it
spins and waits (minutes instead of seconds). So importing this module, which all that computes does, tells BLAS to use
one thread; ``threadpoolctl.threadpool_limits(n)`` after the import gives other work in the same process its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import scipy.linalg  # noqa: F401  SciPy brings a BLAS of its own: only what is loaded can be told
from threadpoolctl import threadpool_limits

__all__: list[str] = []

threadpool_limits(1, "blas")


def in_threads(function: Callable[..., Any], *pieces: Iterable[Any]) -> list[Any]:
    """``list(map(function, *pieces))``, pieces side by side; NumPy lets go of Python's lock meanwhile.

    Results do not depend on the number of processors.
    """
    work = list(zip(*pieces))
    if len(work) < 2:
        return [function(*piece) for piece in work]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda piece: function(*piece), work))
