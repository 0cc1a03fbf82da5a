"""Independent pieces of work, one thread a processor."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from threadpoolctl import threadpool_limits

__all__ = ["in_threads"]


def in_threads(function: Callable[..., Any], *pieces: Iterable[Any]) -> list[Any]:
    """``list(map(function, *pieces))``, pieces side by side; NumPy lets go of Python's lock in products.

    BLAS gets one thread meanwhile, or its threads would fight with ours; a piece alone is worked on right here, and
    BLAS may use all. Results do not depend on the number of processors.
    """
    work = list(zip(*pieces))
    if len(work) < 2:
        return [function(*piece) for piece in work]
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda piece: function(*piece), work))
