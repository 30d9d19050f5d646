"""The article's network in PyTorch, trained by the loop that its user writes."""

# %% Data
import numpy as np
import torch
from torch import nn

data = np.load("mnist5k.npz")
x_train, y_train = torch.tensor(data["x_train"][:, np.newaxis] / np.float32(255)), torch.tensor(data["y_train"])
x_test, y_test = torch.tensor(data["x_test"][:, np.newaxis] / np.float32(255)), torch.tensor(data["y_test"])
EPOCHS = int(data["epochs"])
torch.manual_seed(0)

# %% Model
model = nn.Sequential(
    nn.Conv2d(1, 30, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(30, 62, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Dropout(0.3),
    nn.Linear(1550, 10),  # logits
)

# %% Training
loss_of = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters())

for epoch in range(1, EPOCHS + 1):
    losses = []
    for rows in torch.randperm(len(x_train)).split(126):
        loss = loss_of(model(x_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"Epoch {epoch}/{EPOCHS} - loss: {np.mean(losses):.4f}")

# %% Evaluation
model.eval()
with torch.no_grad():
    logits = model(x_test)
accuracy = (logits.argmax(dim=1) == y_test).float().mean().item()
print("test accuracy:", accuracy)
