"""Independent pieces of work, one thread a processor."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["in_threads"]


def in_threads(function: Callable[..., Any], *pieces: Iterable[Any]) -> list[Any]:
    """``list(map(function, *pieces))``, pieces side by side; NumPy lets go of Python's lock in products.

    BLAS gets one thread meanwhile, or its threads would fight with ours. Results do not depend on the number of
    processors.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, *pieces))
