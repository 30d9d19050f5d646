"""Weights taken along: each file loads in a clean process, by the lines that the page shows, and predicts the same."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.data import datasets
from core.data.shape import MNIST_SHAPE
from core.experiment import parity
from core.experiment.network import Network
from core.experiment.settings import Alignment, TrainSettings
from core.experiment.weights import save_weights
from core.launcher.predictors import Predictors
from core.protocol.process import ROOT, WORKER, ChildProcess
from core.results.listings import loading_lines
from core.results.models import Model
from tests.engines.networks import EVERY_LAYER

SHOWN = 50
AFTER = {
    "keras": "",
    "pt": "images = torch.from_numpy(images.transpose(0, 3, 1, 2).astype('float32'))\n"
    "logits = model(images / 255).detach().numpy()\n",
}
RUNS = {
    "article": TrainSettings(),
    "aligned": TrainSettings(alignment=Alignment.SAME_START, network=EVERY_LAYER),
}


@pytest.fixture(scope="session")
def taken(prepared_data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a set of weights a run in all three formats, test images, and each framework's logits of them."""
    folder = tmp_path_factory.mktemp("taken")
    prepared = datasets.prepared("mnist5k", prepared_data_dir)
    assert prepared is not None
    images = np.array(prepared.load().test_images[:SHOWN])
    np.save(folder / "images.npy", images)
    sums = {}
    for name, settings in RUNS.items():
        start = parity.start_weights(3, Network.of(settings.network, MNIST_SHAPE))
        weights = {key: array.astype("float32") for key, array in start.items()}
        sums[name] = save_weights(weights, folder / f"{name}.safetensors")
    predictors = Predictors(lambda engine: ChildProcess(WORKER, engine, log=folder / f"{engine}.log"))
    try:
        for (engine, suffix), (name, settings) in itertools.product(
            (("keras", "keras"), ("torch", "pt")), RUNS.items()
        ):
            model = Model(engine, name, settings, folder / f"{name}.safetensors", sums[name], MNIST_SHAPE)
            np.save(folder / f"{name}.{suffix}.npy", predictors.ask([model], images)[0].logits)
            predictors.save(model, folder / f"{name}.{suffix}")
    finally:
        predictors.close()
    return folder


def lines_for(name: str, suffix: str) -> str:
    """The lines that the page shows for a run."""
    return loading_lines(RUNS[name], datasets.find("mnist5k"), name)[suffix] + "\n"


def run_shown(folder: Path, name: str, suffix: str) -> np.ndarray:
    """Runs the page's own lines in a clean process; what they call `logits` comes back."""
    code = "import numpy as np\nimages = np.load('images.npy')\n"
    code += lines_for(name, suffix) + AFTER[suffix] + "np.save('out.npy', logits)\n"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, timeout=200)
    return np.asarray(np.load(folder / "out.npy"))


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("article", "keras"),
        ("article", "pt"),
        ("aligned", "pt"),
        pytest.param("aligned", "keras", marks=pytest.mark.more),
    ],
)
def test_a_saved_model_loads_by_the_shown_lines_and_predicts_the_same(taken: Path, name: str, suffix: str) -> None:
    logits, expected = run_shown(taken, name, suffix), np.load(taken / f"{name}.{suffix}.npy")
    assert logits.shape == (SHOWN, 10)
    np.testing.assert_allclose(logits, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", RUNS)
def test_both_frameworks_give_the_same_logits_for_the_same_file(taken: Path, name: str) -> None:
    keras, torch = np.load(taken / f"{name}.keras.npy"), np.load(taken / f"{name}.pt.npy")
    np.testing.assert_allclose(keras, torch, atol=1e-5 * np.abs(keras).max())


def test_safetensors_load_by_the_shown_lines(taken: Path) -> None:
    code = lines_for("article", "safetensors")
    code += "import json\nprint(json.dumps({key: array.shape for key, array in weights.items()}))\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=taken, check=True, capture_output=True, text=True)
    shapes = json.loads(done.stdout.splitlines()[-1])
    assert shapes["conv1.weight"] == [3, 3, 1, 30]
    assert shapes["dense.weight"] == [1550, 10]


def test_pytorch_loads_a_model_to_predict_without_importing_what_only_training_needs(taken: Path) -> None:
    code = """
import hashlib, json, sys
from pathlib import Path
from core.experiment.network import Network
from core.experiment.settings import Alignment, TrainSettings
from core.protocol import predictor_messages
from core.worker.engines.torch import ENGINE
from core.worker.inference import LoadedModels
file, settings, imported = Path(sys.argv[1]), TrainSettings(), []
sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
models = LoadedModels(ENGINE("torch"))
loaded = models.answer(predictor_messages.Load("a", settings.as_json(), str(file), sha256, [28, 28, 1, 10]))
imported.append("torch._dynamo" in sys.modules)
engine = ENGINE("torch")
engine.feed(models._models["a"].images, models._models["a"].labels, models._models["a"].data)
engine.build(settings, None)
imported.append("torch._dynamo" in sys.modules)
print(json.dumps([loaded.slots, imported]))
"""
    command = [sys.executable, "-c", code, str(taken / "article.safetensors")]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=200)
    assert json.loads(done.stdout.splitlines()[-1]) == [["a"], [False, True]]
