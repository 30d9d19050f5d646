"""Differences of the losses: shapes, logits, means."""

from core.compare.claims import Source
from core.compare.differences.difference import Difference, Part, keras_source, last_layer, never, thread, torch_source

FORUM = Source(
    "PyTorch forum, topic 160720: 400% higher error with PyTorch compared with identical Keras model",
    "https://discuss.pytorch.org/t/160720",
    "2022",
)

ROWS = (
    Difference(
        name="label-shape",
        title="Labels of another shape",
        part=Part.LOSS,
        keras="keras.losses.MeanSquaredError()(labels, outputs)\n# [32] against [32, 1]: brought to one shape",
        pytorch="nn.MSELoss()(outputs, labels)\n# [32, 1] against [32]: broadcast to [32, 32], with a warning",
        happens="In PyTorch every output is compared with every label, and the network learns their mean.",
        align_keras="# nothing to do: Keras does what is meant",
        align_pytorch="nn.MSELoss()(outputs, labels[:, None])",
        bites=1,
        sources=(keras_source("losses/losses.py"), keras_source("losses/loss.py"), torch_source("nn/functional.py")),
        bitten=(FORUM,),
        touches=never,
    ),
    Difference(
        name="softmax-twice",
        title="Softmax before the cross-entropy",
        part=Part.LOSS,
        keras=(
            'keras.layers.Dense(10, activation="softmax")\n'
            "keras.losses.SparseCategoricalCrossentropy()  # from_logits=False"
        ),
        pytorch=(
            "nn.Sequential(nn.Linear(784, 10), nn.Softmax(dim=1))\n"
            "nn.CrossEntropyLoss()  # takes logits, applies softmax again"
        ),
        happens=(
            "Keras takes probabilities by default, and fit() finds the logits behind a softmax. PyTorch's loss always "
            "takes logits: after a softmax, and with ten classes, it cannot fall below 1.461."
        ),
        align_keras="keras.layers.Dense(10)\nkeras.losses.SparseCategoricalCrossentropy(from_logits=True)",
        align_pytorch="nn.Sequential(nn.Linear(784, 10))  # no softmax\nnn.CrossEntropyLoss()",
        bites=1,
        sources=(keras_source("backend/tensorflow/nn.py"), torch_source("nn/functional.py")),
        bitten=(
            thread("bowang-lab/Transformer-GCN-QA", 32, "Removes erroneous extra softmax", "5 June 2019", True),
            thread("vinhkhuc/PyTorch-Mini-Tutorials", 1, "About CrossEntroyLoss", "20 February 2017"),
        ),
        touches=last_layer,
    ),
    Difference(
        name="class-weights",
        title="Weights of classes",
        part=Part.LOSS,
        keras="model.fit(x, y, class_weight={0: 1.0, 1: 3.0})\n# sum of weighted losses, divided by the number of rows",
        pytorch="nn.CrossEntropyLoss(weight=torch.tensor([1.0, 3.0]))\n# divided by the sum of the rows' weights",
        happens="The losses differ by the mean weight of the batch, which acts as another learning rate in each batch.",
        align_keras=(
            'keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")'
        ),
        align_pytorch='nn.CrossEntropyLoss(weight=weights, reduction="sum")(logits, y) / len(y)',
        bites=2,
        sources=(keras_source("losses/loss.py"), torch_source("nn/modules/loss.py")),
        bitten=(
            thread("pytorch/pytorch", 25571, "Wrong crossentropy loss calculation", "3 September 2019"),
            thread(
                "pytorch/pytorch",
                65329,
                "When weight is not none, F.cross_entropy(reduction='none').mean() != F.cross_entropy()",
                "20 September 2021",
            ),
        ),
        touches=never,
        turned_on="keras",
        along="batch",
    ),
    Difference(
        name="kl-divergence",
        title="The mean of a Kullback-Leibler divergence",
        part=Part.LOSS,
        keras=(
            "keras.losses.KLDivergence()(target, output)\n"
            "# sum over the classes, mean over the rows; takes probabilities"
        ),
        pytorch='nn.KLDivLoss()(output.log(), target)\n# reduction="mean": over rows and classes; takes logarithms',
        happens="PyTorch's loss is smaller by the number of classes, and a penalty with it weighs that much less.",
        align_keras="keras.losses.KLDivergence()(target, output) / classes",
        align_pytorch='nn.KLDivLoss(reduction="batchmean")(output.log(), target)',
        bites=2,
        sources=(keras_source("losses/losses.py"), torch_source("nn/modules/loss.py")),
        bitten=(
            thread(
                "pytorch/pytorch",
                2259,
                "KLDivLoss should not have the 1/n coefficient, according to Wikipedia",
                "31 July 2017",
            ),
            thread("facebookresearch/deit", 61, "Question about KLDiv computation", "29 January 2021"),
        ),
        touches=never,
        along="batch",
    ),
    Difference(
        name="binary-accuracy",
        title="The threshold of a binary accuracy",
        part=Part.LOSS,
        keras="keras.metrics.BinaryAccuracy()\n# counts outputs above 0.5, logits too",
        pytorch="((logits > 0) == labels).float().mean()\n# no metric of its own: one writes 0 for logits",
        happens="For logits 0.5 is not the middle: Keras counts those between 0 and 0.5 as the other class.",
        align_keras="keras.metrics.BinaryAccuracy(threshold=0.0)",
        align_pytorch="((logits > 0.5) == labels).float().mean()",
        bites=2,
        sources=(keras_source("metrics/accuracy_metrics.py"),),
        bitten=(
            thread(
                "tensorflow/tensorflow",
                41413,
                "Threshold to be set 0 when using binary accuracy with raw prediction values (from_logits=True)",
                "15 July 2020",
            ),
            thread("keras-team/keras", 20101, "Remove threshold limits in BinaryAccuracy()", "9 August 2024", True),
        ),
        touches=never,
        turned_on="keras",
        quantity="accuracy",
        along="batch",
    ),
    Difference(
        name="probability-clip",
        title="The largest cross-entropy of a probability",
        part=Part.LOSS,
        keras="keras.losses.SparseCategoricalCrossentropy()(y, probabilities)\n# probabilities are clipped at 1e-7",
        pytorch="nn.NLLLoss()(probabilities.log(), y)\n# not clipped",
        happens=(
            "Of probabilities alone, Keras' loss of a row never exceeds 16.118, and a row beyond has no gradient. From "
            "logits neither is clipped."
        ),
        align_keras="keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, logits)",
        align_pytorch="nn.NLLLoss()(probabilities.clamp(1e-7, 1 - 1e-7).log(), y)",
        bites=3,
        sources=(keras_source("backend/tensorflow/nn.py"), torch_source("nn/functional.py")),
        bitten=(
            thread(
                "keras-team/keras",
                17634,
                "Inconsistent calculations in CategoricalCrossentropy using logits",
                "5 March 2023",
            ),
        ),
        touches=never,
        turned_on="keras",
        along="logit",
        parts_within=17,
    ),
)
