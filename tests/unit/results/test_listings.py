"""The scripts shown for a run, unrun: complete, clean, and true to the settings in every combination."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.data import datasets, prepare
from core.data.datasets import DATASETS
from core.experiment import metrics
from core.experiment.names import framework
from core.experiment.settings import ALIGNED_PAIR, ENGINE_NAMES, EVALUATION_BATCH, Alignment, Device, TrainSettings
from core.results.listings import FILENAMES, PURPOSES, TITLES, Listing, listing

CHOICES = [
    TrainSettings(
        batch_size=77,
        epochs=13,
        dropout=dropout,
        learning_rate=0.0025,
        seed=4242,
        dataset=dataset,
        alignment=alignment,
        patience=patience,
        device=device,
    )
    for dataset, alignment, (patience, dropout), device in itertools.product(
        DATASETS, tuple(Alignment), ((0, 0.0), (3, 0.45)), (Device.AUTO, Device.CPU)
    )
]
ALL = [
    (engine, settings)
    for engine in FILENAMES
    for settings in CHOICES
    if engine in ALIGNED_PAIR or settings.alignment == Alignment.AS_SHIPPED  # what settings allow
]
EACH = pytest.mark.parametrize(
    ("engine", "settings"),
    ALL,
    ids=lambda v: v if isinstance(v, str) else f"{v.dataset}-{v.alignment}-{v.patience}-{v.device}",
)
FOREIGN = {"keras": ("torch",), "torch": ("tensorflow", "import keras", "keras.")}


def code_lines(made: Listing) -> list[str]:
    """The script's lines without comments."""
    return [line.split("  #")[0] for line in made.script.splitlines() if not line.lstrip().startswith("#")]


def test_every_engine_that_a_user_can_choose_has_a_listing() -> None:
    assert sorted(FILENAMES) == sorted(ENGINE_NAMES)
    assert [listing(engine, TrainSettings()).filename for engine in ("keras", "torch")] == [
        "keras_duel.py",
        "pytorch_duel.py",
    ]


def test_an_engine_without_a_listing_is_refused_in_a_sentence() -> None:
    with pytest.raises(KeyError, match=r"There is no listing for the engine fake: choose one of keras, torch, "):
        listing("fake", TrainSettings())


@EACH
def test_a_script_compiles_and_holds_the_runs_settings(engine: str, settings: TrainSettings) -> None:
    made = listing(engine, settings)
    compile(made.script, made.filename, "exec")
    lines = made.script.splitlines()
    for line in (
        "SEED = 4242",
        "BATCH_SIZE = 77",
        "EPOCHS = 13",
        f"DROPOUT = {settings.dropout}",
        "LEARNING_RATE = 0.0025",
    ):
        assert line in lines
    assert any(line.startswith("PATIENCE = 3") for line in lines) == bool(settings.patience)
    assert made.script.count("PATIENCE") == (2 if settings.patience else 0)
    assert ("float64" in made.script) == settings.float64
    assert made.script.count("DROPOUT") > 1, "a dropout of 0 keeps its layer"


@EACH
def test_the_sections_are_the_whole_script(engine: str, settings: TrainSettings) -> None:
    made = listing(engine, settings)
    assert tuple(made.sections) == PURPOSES
    assert all(code.strip() for code in made.sections.values())
    parts = [f"# %% {TITLES[purpose]}\n{code}" for purpose, code in made.sections.items()]
    assert "\n\n\n".join(parts) + "\n" == made.script


@EACH
def test_a_script_knows_neither_this_project_nor_the_other_framework(engine: str, settings: TrainSettings) -> None:
    imports = [line for line in code_lines(listing(engine, settings)) if line.startswith(("import ", "from "))]
    assert not [line for line in imports if "core" in line.split()[1].split(".")]
    assert not [line for line in imports if any(word in line for word in FOREIGN[framework(engine)])]


@EACH
def test_an_aligned_script_prints_its_first_losses(engine: str, settings: TrainSettings) -> None:
    aligned = settings.alignment != Alignment.AS_SHIPPED
    assert ('print("first losses:"' in listing(engine, settings).script) == aligned


def test_all_scripts_pass_the_linter_and_are_formatted_for_narrow_screens(tmp_path: Path) -> None:
    for i, (engine, settings) in enumerate(ALL):
        (tmp_path / f"{engine}_{i}.py").write_text(listing(engine, settings).script, encoding="utf-8")
    for arguments in (["check", "--select", "E,F,I,B", "--ignore", "B905"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache", "--line-length", "79", "."]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    longest = max((line for e, s in ALL for line in listing(e, s).script.splitlines()), key=len)
    assert len(longest) <= 76, longest


@pytest.mark.parametrize("engine", tuple(FILENAMES))
def test_the_embedded_images_are_split_as_the_lanes_split_them(engine: str) -> None:
    embedded = datasets.find("mnist5k")
    code = listing(engine, TrainSettings()).sections["data"]
    assert f"x, y, test_size={embedded.test_images}, stratify=y, random_state={prepare.SPLIT_SEED}" in code
    assert "split = len(x_train) - len(x_train) // 10" in code


def test_what_both_scripts_share_reads_alike_in_both() -> None:
    settings = TrainSettings(alignment=Alignment.EXACT_TWIN, patience=2)
    keras, torch = (listing(engine, settings).script for engine in ("keras", "torch"))
    for first, last in (
        ("SEED = ", "PATIENCE = 2"),
        ("x, y = mnist_data()", "random_state=126"),
        ("# The last 10 %", "y_train[split:]"),
        ("# Both frameworks start", "np.zeros(shape[-1]))"),
        ("def dropout_mask", "/ (1 - DROPOUT)\n"),
        ("def batch_order", "rng.permutation(len(x_train))"),
        ("    if val_loss < best_loss", "        break"),
    ):
        start = keras.index(first)
        assert keras[start : keras.index(last, start) + len(last)] in torch


@pytest.mark.parametrize("alignment", [Alignment.AS_SHIPPED, Alignment.SAME_START])
@given(losses=st.lists(st.integers(0, 4), min_size=1, max_size=12))
@example(losses=[3, 3, 3, 3])
@example(losses=[4, 3, 3, 2, 2, 2, 2])
def test_early_stopping_ends_where_the_lane_ends(alignment: Alignment, losses: list[int]) -> None:
    settings = TrainSettings(patience=3, alignment=alignment)
    loop = listing("torch", settings).sections["training loop"]
    rule = loop[loop.index("    if val_loss < best_loss") : loop.index("        break") + len("        break")]
    names = {"losses": losses, "PATIENCE": 3, "seen": []}
    exec(f"best_loss, waited = float('inf'), 0\nfor val_loss in losses:\n    seen.append(val_loss)\n{rule}", names)
    lane = next((n for n in range(1, len(losses) + 1) if metrics.stops_early(losses[:n], 3)), len(losses))
    assert len(names["seen"]) == lane  # type: ignore[arg-type]


DISTINCT = {
    "keras-eager": ["    run_eagerly=True,"],
    "keras-on-torch": [
        'os.environ["KERAS_BACKEND"] = "torch"  # before Keras is imported',
        'sys.modules["tensorflow"] = None',
    ],
    "keras-tuned": ["    steps_per_execution=10,", "    jit_compile=False,"],
    "torch-compile": ["compiled_model = torch.compile(model)"],
    "torch-tuned": [
        ").to(device, memory_format=torch.channels_last)",
        "    fused=True,  # one kernel for all weights",
    ],
}


@pytest.mark.parametrize(("engine", "lines"), DISTINCT.items())
def test_a_variants_script_shows_what_is_different_and_the_stock_script_does_not(engine: str, lines: list[str]) -> None:
    settings = TrainSettings(device=Device.CPU)
    variant, stock = (listing(name, settings).script.splitlines() for name in (engine, framework(engine)))
    for line in lines:
        assert line in variant
        assert line not in stock


@pytest.mark.parametrize("engine", ["keras-tuned", "torch-tuned"])
def test_a_tuned_script_pools_before_its_relu(engine: str) -> None:
    model = listing(engine, TrainSettings()).sections["model"]
    kinds = re.findall(r"(Conv2[dD]|MaxPool[a-zA-Z]*2[dD]|ReLU)\(", model)
    assert [kind[:4] for kind in kinds] == ["Conv", "MaxP", "ReLU"] * 2
    assert 'activation="relu"' not in model


def test_every_script_evaluates_in_the_batches_of_the_lanes() -> None:
    for engine, settings in ALL:
        script = listing(engine, settings).script
        assert f"\nEVALUATION_BATCH = {EVALUATION_BATCH} " in script
        if framework(engine) == "torch":
            assert ".split(EVALUATION_BATCH)" in script
        else:
            assert "    validation_batch_size=EVALUATION_BATCH,\n" in script
            assert "    batch_size=EVALUATION_BATCH,\n" in script
