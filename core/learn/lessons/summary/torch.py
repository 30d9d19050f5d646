"""A PyTorch model laid open: layers, shapes, parameters, and the count by hand."""

import torch
from torch import nn

FILTERS = 62  # of the second convolution

model = nn.Sequential(
    nn.Conv2d(1, 30, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(30, FILTERS, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Dropout(0.3),
    nn.Linear(FILTERS * 5 * 5, 10),
)
print(model)


def describe(layer, inputs, output):
    count = sum(parameter.numel() for parameter in layer.parameters())
    print(f"{type(layer).__name__:<10} {tuple(output.shape)!s:<18} {count:>7,}")


# print(model) knows no shapes: they exist when an image goes through.
print(f"\n{'layer':<10} {'output shape':<18} {'params':>7}")
for layer in model:
    layer.register_forward_hook(describe)
with torch.no_grad():
    model(torch.zeros(1, 1, 28, 28))

# A filter: 3 x 3 weights for each channel that comes in, and one bias.
conv1 = (3 * 3 * 1 + 1) * 30
conv2 = (3 * 3 * 30 + 1) * FILTERS
# 28 - 2 = 26, halved 13, 13 - 2 = 11, halved 5: each filter leaves 5 x 5 values.
linear = (5 * 5 * FILTERS + 1) * 10
counted = sum(parameter.numel() for parameter in model.parameters())
print(f"\nby hand: (3*3*1 + 1) * 30 = {conv1:,}")
print(f"         (3*3*30 + 1) * {FILTERS} = {conv2:,}")
print(f"         (5*5*{FILTERS} + 1) * 10 = {linear:,}")
print(f"together {conv1 + conv2 + linear:,}, PyTorch counts {counted:,}")
