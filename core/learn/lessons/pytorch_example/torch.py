"""The article's PyTorch example, and the trap in its reshape."""

import torch
from torch import nn
from torch.nn import functional as F

INPUT_SIZE = 32  # height and width of an image: 32 or 111


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(6, 35, 6)
        self.conv2 = nn.Conv2d(35, 19, 6)
        self.linear = nn.Linear(16 * 6 * 6, 10)

    def features(self, x):
        x = F.max_pool2d(self.conv1(x), 2)
        return F.max_pool2d(self.conv2(x), 2)

    def forward(self, x):
        x = self.features(x)
        x = x.view(-1, 16 * 6 * 6)  # the trap: an image has 19 channels, not 16
        return F.log_softmax(self.linear(x), dim=-1)


torch.manual_seed(126)
net = Net()
print(net)

x = torch.rand(36, 6, INPUT_SIZE, INPUT_SIZE)
channels, height, width = net.features(x[:1]).shape[1:]
print(f"\none image leaves {channels} x {height} x {width} values,", end=" ")
print(f"a row takes {net.linear.in_features}")

for images in (1, 2, 36):
    batch = x[:images]
    try:
        rows = net(batch)
    except RuntimeError as error:
        print(f"batch of {images}: {error}")
        continue
    print(f"batch of {images}: no error, {len(rows)} rows of {rows.shape[1]} come out")
    if images > 1:
        changed = batch.clone()
        changed[1] = 0  # another second image, all else the same
        differs = (net(changed) != rows).any(dim=1)
        numbers = differs.nonzero().flatten().tolist()
        print("  rows that the second image changes:", *numbers)

# What was meant: one row an image, or an error that names the layer.
flat = net.features(x[:2]).flatten(1)
print("\nflatten(1) keeps the images apart:", tuple(flat.shape))
try:
    net.linear(flat)
except RuntimeError as error:
    print("and Linear says that it does not fit:", error)
