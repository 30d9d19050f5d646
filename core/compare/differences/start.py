"""Differences at the start: how weights are drawn."""

from core.compare.differences.difference import (
    Difference,
    Part,
    keras_source,
    never,
    switched,
    thread,
    torch_source,
)
from core.experiment.switches import Switch

ROWS = (
    Difference(
        name="initialisers",
        title="Initial weights of dense and convolutional layers",
        part=Part.START,
        keras='keras.layers.Dense(128)\n# kernel_initializer="glorot_uniform", bias_initializer="zeros"',
        pytorch="nn.Linear(784, 128)\n# weight and bias: uniform between -1/sqrt(784) and 1/sqrt(784)",
        happens=(
            "Keras draws a kernel by the number of its inputs and outputs and starts biases at 0. PyTorch draws kernel "
            "and bias by the inputs alone: for 784 inputs and 128 outputs up to 0.036, where Keras goes up to 0.081."
        ),
        align_keras=(
            'fan_in = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")\n'
            "bias = keras.initializers.RandomUniform(-(784**-0.5), 784**-0.5)\n"
            "keras.layers.Dense(128, kernel_initializer=fan_in, bias_initializer=bias)"
        ),
        align_pytorch="nn.init.xavier_uniform_(layer.weight)\nnn.init.zeros_(layer.bias)",
        bites=1,
        sources=(
            keras_source("layers/core/dense.py"),
            torch_source("nn/modules/linear.py"),
            torch_source("nn/modules/conv.py"),
        ),
        bitten=(
            thread(
                "pytorch/pytorch",
                10243,
                "Initialization can be surprisingly important, and under-rated",
                "5 August 2018",
            ),
            thread("keras-team/keras", 13995, "Convolution and dense layers default initializer", "23 April 2020"),
        ),
        touches=switched(Switch.INITIALISERS),
        kind="switch",
        turned_on="both",
        cost=True,
    ),
    Difference(
        name="embedding-initialiser",
        title="Initial weights of an embedding",
        part=Part.START,
        keras="keras.layers.Embedding(1000, 64)\n# uniform between -0.05 and 0.05",
        pytorch="nn.Embedding(1000, 64)\n# normal with mean 0 and deviation 1",
        happens=(
            "PyTorch's embedding starts with numbers about 35 times as large: their deviation is 1, in Keras 0.029. "
            "Whatever follows it starts with outputs that are as much larger."
        ),
        align_keras="keras.layers.Embedding(1000, 64, embeddings_initializer=keras.initializers.RandomNormal(0, 1))",
        align_pytorch="nn.init.uniform_(embedding.weight, -0.05, 0.05)",
        bites=1,
        sources=(keras_source("layers/core/embedding.py"), torch_source("nn/modules/sparse.py")),
        bitten=(
            thread("pytorch/pytorch", 3121, "Better initialization in Embedding class", "14 October 2017"),
            thread(
                "pytorch/examples", 595, "A question about weight initialization of embedding layer.", "18 July 2019"
            ),
        ),
        touches=never,
        turned_on="both",
        quantity="standard deviation",
        along="embedding",
    ),
    Difference(
        name="lstm-start",
        title="Initial weights of an LSTM",
        part=Part.START,
        keras="keras.layers.LSTM(64)\n# kernel Glorot, recurrent orthogonal, bias 0 and 1 for the forget gate",
        pytorch=(
            "nn.LSTM(32, 64, batch_first=True)\n# all weights and biases uniform between -1/sqrt(64) and 1/sqrt(64)"
        ),
        happens=(
            "Keras starts with forget gates that are mostly open, so that the cell keeps what it has seen. PyTorch "
            "draws every gate the same way, around a half."
        ),
        align_keras=(
            "draw = keras.initializers.RandomUniform(-(64**-0.5), 64**-0.5)\n"
            "keras.layers.LSTM(64, kernel_initializer=draw, recurrent_initializer=draw, bias_initializer=draw,\n"
            "                  unit_forget_bias=False)"
        ),
        align_pytorch=(
            "nn.init.xavier_uniform_(lstm.weight_ih_l0)\n"
            "for gate in lstm.weight_hh_l0.data.chunk(4):\n    nn.init.orthogonal_(gate)\n"
            "nn.init.zeros_(lstm.bias_hh_l0)\nnn.init.zeros_(lstm.bias_ih_l0)\nlstm.bias_ih_l0.data[64:128] = 1"
        ),
        bites=2,
        sources=(keras_source("layers/rnn/lstm.py"), torch_source("nn/modules/rnn.py")),
        bitten=(thread("pytorch/pytorch", 750, "LSTM forget gate bias initialization", "15 February 2017"),),
        touches=never,
        quantity="mean bias",
        along="gate: input, forget, cell, output",
    ),
)
