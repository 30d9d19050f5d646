"""`python -m core data`: the data sets that there are, and one's own images as one of them."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from core.cli.terminal import AsJson, deployment, err, fail, print_json_line, print_table, say
from core.data.dataset import Dataset, DatasetError
from core.data.datasets import all_datasets, prepared
from core.data.own_images import LARGEST_SIDE, SMALLEST_SIDE, Draft, Look, Wanted
from core.launcher.launcher import Refused
from core.launcher.own_images import OwnImages
from core.protocol.messages import Preparing
from core.storage.database import StoreError
from core.storage.runs import Store

data = typer.Typer(name="data", help="The data sets, and your own images as one of them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What it is called in `--dataset`.")]


@data.command("list")
def list_datasets(as_json: AsJson = False) -> None:
    """Lists every data set: what comes with the project, and your own."""
    data_dir = deployment().data_dir
    found = all_datasets(data_dir).values()
    if as_json:
        for dataset in found:
            here = prepared(dataset.name, data_dir) is not None
            print_json_line({"dataset": dataset.name, **dataset.as_json(), "here": here})
        return
    titles = ("data set", "title", "images", "classes", "each")
    print_table(titles, [_row(dataset) for dataset in found])


def _row(dataset: Dataset) -> tuple[str, ...]:
    images = dataset.train_images + dataset.test_images
    return dataset.name, dataset.title, f"{images:,}", str(len(dataset.class_names)), dataset.shape.words


@data.command()
def add(
    path: Annotated[Path, typer.Argument(help="A folder or zip with a folder of PNGs or JPEGs for each class.")],
    name: Annotated[str, typer.Option(help="What the data set shall be called.")],
    side: Annotated[int, typer.Option("--size", help=f"Pixels a side, {SMALLEST_SIDE} to {LARGEST_SIDE}.")] = 32,
    colour: Annotated[bool, typer.Option("--colour", help="Keep the colours; else grey.")] = False,
    seed: Annotated[int, typer.Option(help="Decides which images are for training, validation and testing.")] = 0,
) -> None:
    """Makes a data set of your own images: the square in the middle of each, resized."""
    try:
        draft = _own_images().draft(Wanted(name.strip(), side, colour, seed))
    except (DatasetError, Refused) as error:
        fail(str(error), 2)
    try:
        _make(draft, path)
        look = draft.look()
        dataset = draft.keep()
    except DatasetError as error:
        fail(str(error), 2)
    finally:
        draft.discard()
    _print(dataset, look)


def _own_images() -> OwnImages:
    """Beside a dashboard, too, and with no limits: this is the terminal of who runs it."""
    return OwnImages(Store(deployment().data_dir))


def _make(draft: Draft, path: Path) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err) as progress:
        task = progress.add_task("Pictures", total=None)

        def show(event: Preparing) -> None:
            progress.update(task, completed=event.received_bytes, total=event.total_bytes or None)

        draft.make(path, show)


def _print(dataset: Dataset, look: Look) -> None:
    names = dataset.class_names
    print_table(("class", "images"), [(name, f"{count:,}") for name, count in zip(names, look.counts, strict=True)])
    if look.unequal:
        say(look.unequal)
    say(f"{dataset.title}: {dataset.split_words}. Train on it with --dataset {dataset.name}.")


@data.command()
def rename(name: Name, title: Annotated[str, typer.Argument(help="The new title; its name stays.")]) -> None:
    """Gives a data set of your own another title."""
    try:
        _own_images().rename(name, title)
    except (DatasetError, Refused) as error:
        fail(str(error), 2)
    say(f"{name} is called {title.strip()}.")


@data.command("delete")
def delete_dataset(name: Name) -> None:
    """Deletes a data set of your own for good; runs on it keep their results."""
    try:
        _own_images().delete(name)
    except (DatasetError, Refused) as error:
        fail(str(error), 2)
    except StoreError as error:
        fail(str(error), 1)
    say(f"Deleted {name}.")
