"""The scripts shown for a run, unrun: complete, clean, and true to the settings in every combination."""

import itertools
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.data import datasets
from core.data.datasets import DATASETS, Dataset
from core.data.embedded import SPLIT_SEED
from core.data.shape import MNIST_SHAPE
from core.experiment import layers, metrics
from core.experiment.engine_names import ALIGNED_PAIR, ENGINE_NAMES
from core.experiment.names import framework
from core.experiment.network import PRESETS, Network
from core.experiment.settings import EVALUATION_BATCH, Alignment, Device, Optimizer, TrainSettings
from core.experiment.switches import Switch
from core.results import listings
from core.results.listings import FILENAMES, PURPOSES, TITLES, Listing, in_torch, loading_lines

OWN = Dataset(
    name="own-pets",
    title="Pets",
    description="",
    train_images=90,
    test_images=10,
    class_names=("cat", "dog", "fish"),
    image_shape=(32, 40, 3),
)
"""Images of the reader's own, in colour, higher than wide, in three classes."""
EVERY_LAYER = (
    "conv 8 3 stride 2 same, batchnorm, leakyrelu, depthwise 3 same gelu, avgpool 3 stride 2 same, layernorm, "
    "dropout 0.2, conv 6 2 stride 2 same elu, maxpool 3 stride 1 same, flatten, layernorm, dropout, dense 16 silu, "
    "dense 12, batchnorm, tanh, dropout 0.1, dense 10"
)
"""Every kind of layer; most of what the twin aligns."""
OTHER_LAYERS = (
    "depthwise 5 stride 2 same leakyrelu, relu, maxpool 2, conv 5 1 relu, maxpool 3 stride 2 same, avgpool 2 same, "
    "sigmoid, globalavgpool, batchnorm, dense 7 relu, layernorm, dense 10"
)
NETWORKS = {**{name: name for name in PRESETS}, "every layer": EVERY_LAYER, "other layers": OTHER_LAYERS}
OPTIMIZERS: dict[Optimizer, dict[str, float]] = {
    Optimizer.ADAM: {"weight_decay": 0.001},
    Optimizer.ADAMW: {"weight_decay": 0.004},
    Optimizer.SGD: {},
    Optimizer.NESTEROV: {"momentum": 0.9, "weight_decay": 0.01},
    Optimizer.RMSPROP: {"momentum": 0.5},
}
TWIN = TrainSettings(alignment=Alignment.EXACT_TWIN)


def listing(engine: str, settings: TrainSettings, dataset: Dataset | None = None) -> Listing:
    """The run's script, by default for the data set that the settings name."""
    return listings.listing(engine, settings, dataset or datasets.find(settings.dataset))


def on_own_images(settings: TrainSettings) -> TrainSettings:
    """The same run on images of the reader's own, of three classes."""
    network = settings.network if settings.network in PRESETS else settings.network.replace("dense 10", "dense 3")
    return settings.model_copy(update={"network": network, "dataset": OWN.name})


CHOICES = [
    TrainSettings(
        batch_size=77,
        epochs=13,
        dropout=dropout,
        learning_rate=0.0025,
        seed=4242,
        dataset=dataset,
        network="mlp" if dataset == "digits" else "article",  # which 8 x 8 pixels are too few for
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
VARIED = [
    (engine, TrainSettings(network=network, optimizer=optimizer, alignment=alignment, **options))  # type: ignore[arg-type]
    for network, (optimizer, options), alignment, engine in itertools.product(
        NETWORKS.values(), OPTIMIZERS.items(), Alignment, FILENAMES
    )
    if engine in ALIGNED_PAIR or alignment == Alignment.AS_SHIPPED
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


KEPT = [
    (engine, TrainSettings(network=EVERY_LAYER, alignment="exact-twin", keep=keep, optimizer=optimizer, **options))  # type: ignore[arg-type]
    for keep in (*((switch,) for switch in Switch), tuple(Switch), tuple(Switch)[1:], ("initialisers", "batch-order"))
    for optimizer, options in OPTIMIZERS.items()
    for engine in ALIGNED_PAIR
]


@pytest.mark.parametrize("optimizer", Optimizer)
@pytest.mark.parametrize("engine", ALIGNED_PAIR)
def test_a_twin_that_keeps_everything_has_the_code_of_a_run_as_shipped(engine: str, optimizer: Optimizer) -> None:
    shipped = TrainSettings(network=EVERY_LAYER, optimizer=optimizer, **OPTIMIZERS[optimizer])  # type: ignore[arg-type]
    kept = shipped.model_copy(update={"alignment": Alignment.EXACT_TWIN, "keep": tuple(Switch)})
    one, other = listing(engine, kept).sections, listing(engine, shipped).sections
    assert one["model"] == other["model"]
    if engine == "torch":
        assert one["loss and optimiser"] == other["loss and optimiser"]


def test_all_scripts_pass_the_linter_and_are_formatted_for_narrow_screens(tmp_path: Path) -> None:
    scripts = [listing(engine, settings).script for engine, settings in ALL + VARIED + KEPT]
    scripts += [listing(engine, on_own_images(settings), OWN).script for engine, settings in VARIED]
    for network, alignment in itertools.product(NETWORKS.values(), Alignment):
        settings = TrainSettings(network=network, alignment=alignment)
        scripts += [f"{lines}\n" for lines in loading_lines(settings, datasets.find("mnist5k"), "keras-tuned").values()]
    for i, script in enumerate(dict.fromkeys(scripts)):
        compile(script, f"{i}.py", "exec")
        (tmp_path / f"{i}.py").write_text(script, encoding="utf-8")
    # The lines that load weights are given their images.
    code = ["check", "--select", "E,F,I,B", "--ignore", "B905", "--config", "builtins=['images']"]
    for arguments in (code, ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--no-cache", "--line-length", "79", "."]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    longest = max((line for script in scripts for line in script.splitlines()), key=len)
    assert len(longest) <= 76, longest


@pytest.mark.parametrize("engine", tuple(FILENAMES))
def test_the_embedded_images_are_split_as_the_lanes_split_them(engine: str) -> None:
    embedded = datasets.find("mnist5k")
    code = listing(engine, TrainSettings()).sections["data"]
    assert f"x, y, test_size={embedded.test_images}, stratify=y, random_state={SPLIT_SEED}" in code
    assert "split = len(x_train) - len(x_train) // 10" in code


def test_what_both_scripts_share_reads_alike_in_both() -> None:
    settings = TrainSettings(alignment=Alignment.EXACT_TWIN, patience=2)
    keras, torch = (listing(engine, settings).script for engine in ("keras", "torch"))
    for first, last in (
        ("SEED = ", "PATIENCE = 2"),
        ("x, y = mnist_data()", "random_state=126"),
        ("# The last 10 %", "y_train[split:]"),
        ("# Both frameworks start", "np.zeros(10),  # dense.bias"),
        ("DROPOUTS = [", "    return masks"),
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
            twin = settings.alignment == Alignment.EXACT_TWIN
            assert ("    validation_batch_size=EVALUATION_BATCH,\n" in script) != twin
            assert ("x_val, y_val, batch_size=EVALUATION_BATCH" in script) == twin
            assert "    batch_size=EVALUATION_BATCH,\n" in script


def lines_of(engine: str, settings: TrainSettings, purpose: str = "model", dataset: Dataset | None = None) -> list[str]:
    """The stripped lines of a part, without comments behind them."""
    code = listing(engine, settings, dataset).sections[purpose]
    return [line.split("  #")[0].strip() for line in code.splitlines()]


@pytest.mark.parametrize("alignment", Alignment)
def test_keras_layers_are_those_of_the_network(alignment: Alignment) -> None:
    settings = TrainSettings(network=EVERY_LAYER, alignment=alignment)
    lines = lines_of("keras", settings)
    first, last = lines.index("layers.BatchNormalization(),") - 1, lines.index("layers.Dense(10),")
    assert lines[first : last + 1] == [
        'layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False),',
        "layers.BatchNormalization(),",
        'layers.Activation("leaky_relu"),',
        'layers.DepthwiseConv2D(3, padding="same", activation="gelu"),',
        'layers.AveragePooling2D(3, strides=2, padding="same"),',
        "layers.LayerNormalization(),",
        "layers.Dropout(0.2),",
        'layers.Conv2D(6, 2, strides=2, padding="same", activation="elu"),',
        'layers.MaxPooling2D(3, strides=1, padding="same"),',
        "layers.Flatten(),",
        "layers.LayerNormalization(),",
        "layers.Dropout(DROPOUT),",
        'layers.Dense(16, activation="silu"),',
        "layers.Dense(12, use_bias=False),",
        "layers.BatchNormalization(),",
        'layers.Activation("tanh"),',
        "layers.Dropout(0.1),",
        "layers.Dense(10),",
    ]


def torch_layers(settings: TrainSettings, engine: str = "torch") -> list[str]:
    lines = lines_of(engine, settings)
    begins = lines.index("model = nn.Sequential(") + 1
    ends = next(i for i, line in enumerate(lines) if line.startswith(").to(device"))
    return [line for line in lines[begins:ends] if not line.startswith("#")]


def test_pytorchs_layers_are_those_of_the_network_as_its_user_writes_them() -> None:
    assert torch_layers(TrainSettings(network=EVERY_LAYER)) == [
        "nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False),",
        "nn.BatchNorm2d(8),",
        "nn.LeakyReLU(),",
        'nn.Conv2d(8, 8, 3, padding="same", groups=8),',
        "nn.GELU(),",
        "nn.AvgPool2d(3, stride=2, padding=1),",
        "ChannelLayerNorm(8),",
        "nn.Dropout(0.2),",
        "nn.ZeroPad2d((0, 1, 0, 1)),",
        "nn.Conv2d(8, 6, 2, stride=2),",
        "nn.ELU(),",
        "nn.MaxPool2d(3, stride=1, padding=1),",
        "nn.Flatten(),",
        "nn.LayerNorm(96),",
        "nn.Dropout(DROPOUT),",
        "nn.Linear(96, 16),",
        "nn.SiLU(),",
        "nn.Linear(16, 12, bias=False),",
        "nn.BatchNorm1d(12),",
        "nn.Tanh(),",
        "nn.Dropout(0.1),",
        "nn.Linear(12, 10),",
    ]


def test_the_twins_layers_in_pytorch_do_what_keras_does() -> None:
    assert torch_layers(TWIN.model_copy(update={"network": EVERY_LAYER})) == [
        "nn.ZeroPad2d((0, 1, 0, 1)),",
        "nn.Conv2d(1, 8, 3, stride=2, bias=False),",
        "KerasBatchNorm(8),",
        "nn.LeakyReLU(float(np.float32(0.2))),",
        'nn.Conv2d(8, 8, 3, padding="same", groups=8),',
        "KerasGELU(),",
        "PixelAvgPool(3, 2, (0, 1, 0, 1)),",
        "ChannelLayerNorm(8, eps=0.001),",
        "SharedDropout(7, 7, 8),",
        "nn.ZeroPad2d((0, 1, 0, 1)),",
        "nn.Conv2d(8, 6, 2, stride=2),",
        "nn.ELU(),",
        "nn.ConstantPad2d((1, 1, 1, 1), -torch.inf),",
        "nn.MaxPool2d(3, stride=1),",
        "nn.Flatten(),",
        "nn.LayerNorm(96, eps=0.001),",
        "SharedDropout(4, 4, 6),",
        "nn.Linear(96, 16),",
        "nn.SiLU(),",
        "nn.Linear(16, 12, bias=False),",
        "KerasBatchNorm(12),",
        "nn.Tanh(),",
        "SharedDropout(),",
        "nn.Linear(12, 10),",
    ]


@pytest.mark.parametrize("alignment", Alignment)
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_a_script_holds_a_class_or_constant_only_where_it_is_used(network: str, alignment: Alignment) -> None:
    for optimizer, options in OPTIMIZERS.items():
        settings = TrainSettings(network=network, alignment=alignment, optimizer=optimizer, **options)  # type: ignore[arg-type]
        for engine in ALIGNED_PAIR:
            script = listing(engine, settings).script
            for name in re.findall(r"^(?:class |def )?([A-Za-z_]+)(?: = |\()", script, re.MULTILINE):
                assert len(re.findall(rf"\b{name}\b", script)) > 1 or name in ("print",), name
        assert script.count("class ") == sum(f"class {name}(" in script for name in (*in_torch.CLASSES, "KerasRMSprop"))


def test_a_tuned_script_keeps_the_relu_that_no_pool_follows() -> None:
    settings = TrainSettings(
        network="conv 8 3 relu, conv 4 3 relu, maxpool 2, relu, maxpool 3 stride 1, flatten, dense 10"
    )
    keras = [line for line in lines_of("keras-tuned", settings) if line.startswith("layers.")]
    assert keras == [
        'layers.Conv2D(8, 3, activation="relu"),',
        "layers.Conv2D(4, 3),",
        "layers.MaxPooling2D(2),",
        "layers.ReLU(),",
        "layers.MaxPooling2D(3, strides=1),",
        "layers.ReLU(),",
        "layers.Flatten(),",
        "layers.Dense(10),",
    ]
    assert [line.split("(")[0] for line in torch_layers(settings, "torch-tuned")] == [
        *("nn.Conv2d", "nn.ReLU", "nn.Conv2d", "nn.MaxPool2d", "nn.ReLU", "nn.MaxPool2d", "nn.ReLU"),
        *("nn.Flatten", "nn.Linear"),
    ]


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_both_scripts_start_from_every_array_of_the_network_in_its_order(network: str) -> None:
    expected = [(spec.name, spec.shape) for spec in Network.of(network, MNIST_SHAPE).weights]
    for engine in ALIGNED_PAIR:
        code = listing(engine, TrainSettings(network=network, alignment=Alignment.SAME_START)).sections["model"]
        block = code[code.index("start = [") : code.index("]\n", code.index("start = ["))]
        found = re.findall(r"(?:glorot\((\([\d, ]+\)).*|np\.(?:zeros|ones)\((\d+)\)),  # (.+)", block)
        shapes = [(name, eval(shape) if shape else (int(size),)) for shape, size, name in found]
        assert shapes == expected


def test_each_dropout_of_the_twin_has_a_mask_of_its_own() -> None:
    code = listing("keras", TWIN.model_copy(update={"network": EVERY_LAYER})).sections["training loop"]
    assert "    (0.2, (7, 7, 8)),\n    (DROPOUT, (96,)),\n    (0.1, (12,)),\n" in code


@pytest.mark.parametrize("engine", ALIGNED_PAIR)
def test_a_twin_without_dropout_has_no_masks(engine: str) -> None:
    script = listing(engine, TWIN.model_copy(update={"network": "lenet5"})).script
    assert not re.search("mask|DROPOUT|reader", script)


SHIPPED_OPTIMIZERS = {
    "keras": {
        Optimizer.ADAM: "keras.optimizers.Adam(LEARNING_RATE, weight_decay=WEIGHT_DECAY)",
        Optimizer.ADAMW: "keras.optimizers.AdamW(LEARNING_RATE, weight_decay=WEIGHT_DECAY)",
        Optimizer.SGD: "keras.optimizers.SGD(LEARNING_RATE)",
        Optimizer.NESTEROV: (
            "keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY)"
        ),
        Optimizer.RMSPROP: "keras.optimizers.RMSprop(LEARNING_RATE, momentum=MOMENTUM)",
    },
    "torch": {
        Optimizer.ADAM: "torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)",
        Optimizer.ADAMW: "torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)",
        Optimizer.SGD: "torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)",
        Optimizer.NESTEROV: (
            "torch.optim.SGD("
            "model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY)"
        ),
        Optimizer.RMSPROP: "torch.optim.RMSprop(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)",
    },
}


@pytest.mark.parametrize("optimizer", Optimizer)
@pytest.mark.parametrize("engine", ALIGNED_PAIR)
def test_as_shipped_an_optimiser_is_the_frameworks_own(engine: str, optimizer: Optimizer) -> None:
    settings = TrainSettings(optimizer=optimizer, **OPTIMIZERS[optimizer])  # type: ignore[arg-type]
    made = listing(engine, settings)
    code = re.sub(r"\(\s+", "(", re.sub(r",\s+", ", ", made.sections["loss and optimiser"])).replace(", )", ")")
    assert SHIPPED_OPTIMIZERS[engine][optimizer] in code
    constants = made.sections["data"].splitlines()
    assert [line for line in constants if line.startswith(("MOMENTUM", "WEIGHT_DECAY"))] == [
        f"{name.upper()} = {value}" for name, value in OPTIMIZERS[optimizer].items()
    ]


ALIGNED_STEPS = {
    Optimizer.ADAM: ["decay_like_keras()", "step_like_keras(len(step_losses))"],
    Optimizer.ADAMW: ["decay_like_keras()", "step_like_keras(len(step_losses))"],
    Optimizer.SGD: ["optimizer.step()"],
    Optimizer.NESTEROV: ["decay_like_keras()", "optimizer.step()"],
    Optimizer.RMSPROP: ["optimizer.step()"],
}


@pytest.mark.parametrize("optimizer", Optimizer)
def test_aligned_pytorch_steps_as_keras_does(optimizer: Optimizer) -> None:
    settings = TWIN.model_copy(update={"optimizer": optimizer, **OPTIMIZERS[optimizer]})
    steps = [
        line for line in lines_of("torch", settings, "training loop") if "like_keras(" in line or ".step()" in line
    ]
    assert steps == ALIGNED_STEPS[optimizer]
    code = listing("torch", settings).sections["loss and optimiser"]
    assert ("class KerasRMSprop" in code) == (optimizer == Optimizer.RMSPROP)
    assert ("momentum=float(np.float32(MOMENTUM))" in code) == (optimizer == Optimizer.NESTEROV)
    assert "weight_decay" not in code, "PyTorch's own would be added to the gradient"


@pytest.mark.parametrize("name", DATASETS)
def test_no_data_set_of_the_catalogue_is_taken_for_the_readers_own(name: str) -> None:
    for engine in FILENAMES:
        data = listing(engine, TrainSettings(dataset=name, network="mlp")).sections["data"]
        assert "FOLDER" not in data
        assert re.search(r"load_data\(\)|download=True|mnist_data\(\)|load_digits\(|get_file\(", data)


def test_scripts_for_colour_images_have_their_shape_and_classes() -> None:
    settings = on_own_images(TrainSettings())
    keras, torch = (listing(engine, settings, OWN) for engine in ALIGNED_PAIR)
    assert "    return images.reshape(-1, 32, 40, 3)" in keras.sections["data"]
    assert "keras.Input((32, 40, 3))," in keras.sections["model"]
    assert "layers.Dense(3),  # logits" in keras.sections["model"]
    assert "images.permute(0, 3, 1, 2).contiguous()" in torch.sections["data"]
    assert "nn.Conv2d(3, 30, 3)," in torch.sections["model"]
    assert "nn.Linear(2976, 3),  # logits" in torch.sections["model"]


def test_a_script_for_own_images_loads_the_prepared_arrays_of_a_folder_that_the_reader_sets(tmp_path: Path) -> None:
    counts = {"train": 90, "test": 10}
    for part, count in counts.items():
        np.save(tmp_path / f"{part}_images.npy", np.full((count, *OWN.image_shape), 255, np.uint8))
        np.save(tmp_path / f"{part}_labels.npy", np.zeros(count, np.uint8))
    data = listing("keras", on_own_images(TrainSettings()), OWN).sections["data"]
    folder = 'FOLDER = "datasets/own-pets"'
    assert folder in data
    lines = data[data.index(folder) :].replace("datasets/own-pets", str(tmp_path))
    names: dict[str, np.ndarray] = {"np": np}  # type: ignore[dict-item]
    exec(lines, names)
    assert names["x_train"].shape == (81, 32, 40, 3)
    assert names["x_val"].shape == (9, 32, 40, 3)
    assert names["x_test"].max() == 1


def test_the_lines_that_load_weights_name_the_runs_layers_and_shapes() -> None:
    settings = TrainSettings(network=EVERY_LAYER, alignment=Alignment.SAME_START)
    lines = loading_lines(settings, datasets.find("mnist5k"), "torch")
    assert list(lines) == ["safetensors", "keras", "pt"]
    assert 'load_file("torch.safetensors")' in lines["safetensors"]
    assert "# depthwise [height, width, in, 1]" in lines["safetensors"]
    assert "# images: uint8 [N, 28, 28, 1]" in lines["keras"]
    for line in (
        "batchnorm1=nn.BatchNorm2d(8, eps=0.001),",
        "pool1=PixelAvgPool(3, 2, (0, 1, 0, 1)),",
        "layernorm1=ChannelLayerNorm(8, eps=0.001),",
        "dropout2=nn.Dropout(0.3),",
        "dense3=nn.Linear(12, 10),  # logits",
    ):
        assert f"        {line}\n" in lines["pt"]
    assert "depthwise [" not in loading_lines(TrainSettings(), datasets.find("mnist5k"), "torch")["safetensors"]


def test_the_networks_of_these_tests_hold_every_kind_of_layer() -> None:
    kinds = {type(layer) for network in NETWORKS.values() for layer in Network.of(network, MNIST_SHAPE).layers}
    assert kinds == {*layers.KINDS.values(), layers.Activation}
