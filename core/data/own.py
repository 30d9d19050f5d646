"""One's own images as a data set: what its folder says of itself.

A set's folder is `datasets/own-NAME` below the data folder: `dataset.json` beside the files of every prepared data
set. The last tenth of its training images are the validation split.
"""

import json
import re
from pathlib import Path

from core.data.dataset import Dataset, DatasetError

OWN_NAME = re.compile(r"own-[a-z0-9-]{1,40}")
"""What one's own data set is called in settings, links and folders."""
DATASET_FILE = "dataset.json"
_MOST_BYTES = 1_000_000


def own_folders(data_dir: Path) -> list[Path]:
    """The folders of one's own data sets below a data folder, sound or not, by name."""
    try:
        found = sorted((data_dir / "datasets").iterdir())
    except OSError:
        return []
    return [folder for folder in found if OWN_NAME.fullmatch(folder.name) and folder.is_dir()]


def read_own(folder: Path) -> Dataset:
    """The data set of a folder. Raises DatasetError where there is none, or its dataset.json cannot be."""
    path = folder / DATASET_FILE
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise DatasetError(
            f"There is no data set {folder.name} in this data folder: it was deleted, or its images were never added."
        ) from None
    except OSError as fault:
        raise DatasetError(f"{path} cannot be read ({fault.strerror}): check the file and its permissions.") from None
    try:
        if len(content) > _MOST_BYTES:
            raise ValueError("it is larger than 1 MB")
        return Dataset.of_json(folder.name, json.loads(content))
    except (ValueError, RecursionError) as fault:
        why = (
            "it is no JSON" if isinstance(fault, json.JSONDecodeError | UnicodeDecodeError | RecursionError) else fault
        )
        raise DatasetError(f"{path} is damaged ({why}): delete the data set and add its images again.") from None
