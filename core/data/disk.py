"""What keeps us from writing to a disk, in words."""

import errno
import math
from pathlib import Path

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_PERMISSION = {errno.EACCES, errno.EPERM, errno.EROFS}


def is_full(fault: OSError) -> bool:
    """Whether there is no room left, or no more is allowed."""
    return fault.errno in _NO_ROOM


def sentence(folder: Path, needed_bytes: int, fault: OSError) -> str:
    """One sentence: what kept us from writing `needed_bytes` below `folder`, and what to do."""
    if is_full(fault):
        return f"The disk that holds {folder} is full: free {math.ceil(needed_bytes / 1e6)} MB there and try again."
    place = fault.filename or folder
    if fault.errno in _NO_PERMISSION:
        return (
            f"This account may not write to {place}: "
            "change the permissions, or choose another data folder with DUEL_DATA_DIR."
        )
    return f"{place} could not be written ({fault.strerror or fault}): check the data folder and try again."
