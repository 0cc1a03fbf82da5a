"""Files that are written whole or not at all, and the records that come with the book."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__: list[str] = []

#: Results on full data that chapters quote; ``make records`` writes them.
RECORDS = Path(__file__).parent / "records"


def digest(file: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def check_out(out: str | os.PathLike[str]) -> Path:
    """The file to write, if it can be; ``OSError`` says what is wrong before hours are spent."""
    file = Path(out)
    if file.is_dir():
        raise IsADirectoryError(f"{file} is a folder: give a file name")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"the folder {file.parent} does not exist: make it first, or give another")
    if not os.access(file.parent, os.W_OK):
        raise PermissionError(f"the folder {file.parent} cannot be written to: give another")
    return file


def write_bytes(file: str | os.PathLike[str], data: bytes) -> Path:
    """Write bytes in one step: a reader sees the old file or the new one."""
    target = Path(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        os.chmod(name, 0o644)
        os.replace(name, target)
    finally:
        Path(name).unlink(missing_ok=True)
    return target


def write_text(file: str | os.PathLike[str], text: str) -> Path:
    """Write text as UTF-8 in one step."""
    return write_bytes(file, text.encode())


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"a record cannot hold a {type(value).__name__}: give numbers, text, lists, mappings or arrays")


def write_json(file: str | os.PathLike[str], data: Any) -> Path:
    """Write numbers, text, lists, mappings and arrays as JSON in one step."""
    return write_text(file, json.dumps(data, indent=1, default=_plain) + "\n")


def write_npz(file: str | os.PathLike[str], arrays: Mapping[str, Any]) -> Path:
    """Write arrays as .npz (no pickles) in one step."""
    plain = {k: np.asarray(v) for k, v in arrays.items()}
    for name, value in plain.items():
        if value.dtype.hasobject:
            raise ValueError(f"{name} holds Python objects, which .npz would pickle: give numbers or text")
    stream = io.BytesIO()
    np.savez(stream, **plain)  # type: ignore[arg-type]
    return write_bytes(file, stream.getvalue())
