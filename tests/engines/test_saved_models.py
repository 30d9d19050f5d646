"""Weights taken along: each file loads in a clean process, by the lines that the page shows, and predicts the same."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.data import datasets
from core.experiment import parity
from core.experiment.settings import TrainSettings
from core.experiment.weights import save_weights
from core.launcher.predictors import Predictors
from core.protocol.process import ROOT, WORKER, ChildProcess
from core.results.models import Model
from core.web.draw.take_along import LOADING_CODE

SHOWN = 50
AFTER = {
    "keras": "",
    "pt": "images = torch.from_numpy(images.astype('float32'))\n"
    "logits = model(images[:, None] / 255).detach().numpy()\n",
}


@pytest.fixture(scope="session")
def taken(prepared_data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one set of weights in all three formats, test images, and each framework's logits of them."""
    folder = tmp_path_factory.mktemp("taken")
    prepared = datasets.prepared("mnist5k", prepared_data_dir)
    assert prepared is not None
    images = np.array(prepared.load().test_images[:SHOWN])
    np.save(folder / "images.npy", images[..., 0])
    weights = {name: array.astype("float32") for name, array in parity.start_weights(3).items()}
    sha256 = save_weights(weights, folder / "model.safetensors")
    predictors = Predictors(lambda engine: ChildProcess(WORKER, engine, log=folder / f"{engine}.log"))
    try:
        for engine, suffix in (("keras", "keras"), ("torch", "pt")):
            settings = TrainSettings()
            model = Model(engine, "the one", settings, folder / "model.safetensors", sha256)
            np.save(folder / f"{suffix}.npy", predictors.ask([model], images)[0].logits)
            predictors.save(model, folder / f"model.{suffix}")
    finally:
        predictors.close()
    return folder


def run_shown(folder: Path, suffix: str, after: str) -> np.ndarray:
    """Runs the page's own lines in a clean process; what they call `logits` comes back."""
    code = "import numpy as np\nimages = np.load('images.npy')\n"
    code += LOADING_CODE[suffix].format(name="model", dropout=0.3) + after + "np.save('out.npy', logits)\n"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True, timeout=200)
    return np.asarray(np.load(folder / "out.npy"))


@pytest.mark.parametrize("suffix", ["keras", "pt"])
def test_a_saved_model_loads_by_the_shown_lines_and_predicts_the_same(taken: Path, suffix: str) -> None:
    logits, expected = run_shown(taken, suffix, AFTER[suffix]), np.load(taken / f"{suffix}.npy")
    assert logits.shape == (SHOWN, 10)
    np.testing.assert_allclose(logits, expected, atol=1e-5 * np.abs(expected).max())


def test_both_frameworks_give_the_same_logits_for_the_same_file(taken: Path) -> None:
    keras, torch = np.load(taken / "keras.npy"), np.load(taken / "pt.npy")
    np.testing.assert_allclose(keras, torch, atol=1e-5 * np.abs(keras).max())


def test_safetensors_load_by_the_shown_lines(taken: Path) -> None:
    code = LOADING_CODE["safetensors"].format(name="model")
    code += "import json\nprint(json.dumps({key: array.shape for key, array in weights.items()}))\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=taken, check=True, capture_output=True, text=True)
    shapes = json.loads(done.stdout.splitlines()[-1])
    assert shapes["conv1.weight"] == [3, 3, 1, 30]
    assert shapes["dense.weight"] == [1550, 10]


def test_pytorch_loads_a_model_to_predict_without_importing_what_only_training_needs(taken: Path) -> None:
    code = """
import hashlib, json, sys
from pathlib import Path
from core.experiment.settings import TrainSettings
from core.protocol import messages
from core.worker.engines.torch import ENGINE
from core.worker.inference import LoadedModels
file, settings, imported = Path(sys.argv[1]), TrainSettings(), []
models = LoadedModels(ENGINE("torch"))
digest = hashlib.sha256(file.read_bytes()).hexdigest()
loaded = models.answer(messages.Load("a", settings.as_json(), str(file), digest, [28, 28, 1, 10]))
imported.append("torch._dynamo" in sys.modules)
engine = ENGINE("torch")
engine.feed(models._models["a"].images, models._models["a"].labels, models._models["a"].data)
engine.build(settings, None)
imported.append("torch._dynamo" in sys.modules)
print(json.dumps([loaded.slots, imported]))
"""
    command = [sys.executable, "-c", code, str(taken / "model.safetensors")]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=200)
    assert json.loads(done.stdout.splitlines()[-1]) == [["a"], [False, True]]
