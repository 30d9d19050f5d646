"""Differences of the optimisers: constants, and where they stand in the formula."""

from core.compare.differences.difference import (
    Difference,
    Part,
    keras_source,
    never,
    of_optimisers,
    switched,
    thread,
    torch_source,
)
from core.experiment.settings import Optimizer
from core.experiment.switches import Switch

ADAMS = (Optimizer.ADAM, Optimizer.ADAMW)
SGDS = (Optimizer.SGD, Optimizer.NESTEROV)

ROWS = (
    Difference(
        name="adam-epsilon",
        title="Adam's epsilon",
        part=Part.OPTIMISER,
        keras="keras.optimizers.Adam()\n# epsilon=1e-7, added before the bias correction",
        pytorch="torch.optim.Adam(model.parameters())\n# eps=1e-8, added after the bias correction",
        happens=(
            "No constant makes both equal: Keras' 1e-7 is PyTorch's 3.16e-6 at the first step and falls to 1e-7. It "
            "shows where gradients are small."
        ),
        align_keras="# no argument does it: write the update in a class of your own",
        align_pytorch=(
            "for step, batch in enumerate(batches, start=1):\n"
            "    optimizer.param_groups[0]['eps'] = 1e-7 / (1 - 0.999**step) ** 0.5"
        ),
        bites=1,
        sources=(keras_source("optimizers/adam.py"), torch_source("optim/adam.py")),
        bitten=(
            thread(
                "keras-team/keras",
                17391,
                "Adam (and other adaptive algorithms) use epsilon the wrong way",
                "4 January 2023",
            ),
            thread(
                "tensorflow/tensorflow",
                35102,
                "Adam implementation differs from paper (applies bias B_2 correction to \\epsilon)",
                "13 December 2019",
            ),
            thread(
                "tensorflow/tensorflow", 9047, "beta2_power is applied incorrectly in Adam optimizer", "7 April 2017"
            ),
        ),
        touches=switched(Switch.ADAM_EPSILON),
        kind="switch",
        parts_within=2,
        cost=True,
    ),
    Difference(
        name="weight-decay",
        title="Weight decay of Adam, SGD and RMSprop",
        part=Part.OPTIMISER,
        keras="keras.optimizers.Adam(weight_decay=0.01)\n# the weights shrink by themselves, biases too",
        pytorch=(
            "torch.optim.Adam(model.parameters(), weight_decay=0.01)\n# 0.01 times the weight is added to the gradient"
        ),
        happens=(
            "The same argument is decoupled decay in Keras and an L2 penalty in PyTorch. Adam divides a gradient by "
            "its size, and the penalty with it, so that in PyTorch large gradients decay less."
        ),
        align_keras=(
            "# none of Keras' optimisers: add a penalty to the loss, kernel_regularizer=keras.regularizers.L2(0.005)"
        ),
        align_pytorch=(
            "torch.optim.AdamW(model.parameters(), weight_decay=0.01)\n# or Adam(decoupled_weight_decay=True)"
        ),
        bites=1,
        sources=(keras_source("optimizers/base_optimizer.py"), torch_source("optim/adam.py")),
        bitten=(
            thread("pytorch/pytorch", 38767, "weight_decay in Adam is not an L2 Penalty", "20 May 2020"),
            thread("pytorch/pytorch", 48793, "Weight_decay in torch.Adam", "3 December 2020"),
        ),
        touches=switched(Switch.WEIGHT_DECAY),
        kind="switch",
        parts_within=2,
        cost=True,
    ),
    Difference(
        name="sgd-learning-rate",
        title="SGD's learning rate",
        part=Part.OPTIMISER,
        keras="keras.optimizers.SGD()\n# learning_rate=0.01",
        pytorch="torch.optim.SGD(model.parameters())\n# lr=0.001",
        happens="Where no learning rate is written, Keras' steps are ten times as long.",
        align_keras="keras.optimizers.SGD(learning_rate=0.001)",
        align_pytorch="torch.optim.SGD(model.parameters(), lr=0.01)",
        bites=2,
        sources=(keras_source("optimizers/sgd.py"), torch_source("optim/sgd.py")),
        bitten=(thread("pytorch/pytorch", 53698, "init lr=1e-3 for torch.optim.SGD", "10 March 2021", pull=True),),
        touches=of_optimisers(*SGDS),
        turned_on="both",
        quantity="weight",
    ),
    Difference(
        name="sgd-momentum",
        title="Momentum while the learning rate changes",
        part=Part.OPTIMISER,
        keras="keras.optimizers.SGD(0.1, momentum=0.9)\n# velocity = 0.9 * velocity - rate * gradient",
        pytorch=(
            "torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)\n"
            "# buffer = 0.9 * buffer + gradient; weight -= rate * buffer"
        ),
        happens=(
            "Both are equal while the rate stays. Where a schedule lowers it, Keras' velocity still has the old rate "
            "in it and goes on at the old pace for some steps; PyTorch slows down at once."
        ),
        align_keras=(
            "for velocity in optimizer.momentums:\n"
            "    velocity.assign(velocity * new_rate / old_rate)  # when the rate changes"
        ),
        align_pytorch=(
            "for state in optimizer.state.values():\n"
            "    state['momentum_buffer'] *= old_rate / new_rate  # when the rate changes"
        ),
        bites=2,
        sources=(keras_source("optimizers/sgd.py"), torch_source("optim/sgd.py")),
        bitten=(
            thread(
                "pytorch/pytorch",
                1099,
                "Add a note in the docs about the momentum formulation used in optim",
                "25 March 2017",
            ),
            thread(
                "cjlin1/simpleNN", 7, "The difference between Keras SGD and tf.train.MomentumOptimizer", "6 April 2020"
            ),
        ),
        touches=of_optimisers(Optimizer.SGD, Optimizer.NESTEROV, Optimizer.RMSPROP, momentum=True),
        quantity="weight",
        parts_within=11,
    ),
    Difference(
        name="l2-penalty",
        title="An L2 penalty and weight decay",
        part=Part.OPTIMISER,
        keras=(
            "keras.layers.Dense(10, kernel_regularizer=keras.regularizers.L2(0.01))\n"
            "# adds 0.01 * sum(w**2) to the loss"
        ),
        pytorch="torch.optim.SGD(model.parameters(), lr=0.01, weight_decay=0.01)\n# adds 0.01 * w to the gradient",
        happens=(
            "The gradient of Keras' penalty is 0.02 times the weight: with the same number PyTorch decays half as "
            "much. Keras' reported loss has the penalty in it, PyTorch's has not."
        ),
        align_keras="keras.regularizers.L2(0.005)",
        align_pytorch="torch.optim.SGD(model.parameters(), lr=0.01, weight_decay=0.02)",
        bites=2,
        sources=(keras_source("regularizers/regularizers.py"), torch_source("optim/sgd.py")),
        bitten=(
            thread("titu1994/DenseNet", 57, "Mistake in L2 regularization", "12 July 2019"),
            thread(
                "mlcommons/hpc",
                22,
                "[cosmoflow] [logging] Weight decay and l2 regularization differs by a factor of 2",
                "17 September 2021",
            ),
        ),
        touches=never,
        quantity="weight",
    ),
    Difference(
        name="adamw-decay",
        title="AdamW's weight decay",
        part=Part.OPTIMISER,
        keras="keras.optimizers.AdamW()\n# weight_decay=0.004",
        pytorch="torch.optim.AdamW(model.parameters())\n# weight_decay=0.01",
        happens="Where no decay is written, PyTorch's weights shrink 2.5 times as fast.",
        align_keras="keras.optimizers.AdamW(weight_decay=0.01)",
        align_pytorch="torch.optim.AdamW(model.parameters(), weight_decay=0.004)",
        bites=2,
        sources=(keras_source("optimizers/adamw.py"), torch_source("optim/adamw.py")),
        bitten=(),
        touches=of_optimisers(Optimizer.ADAMW),
        turned_on="both",
        quantity="weight",
    ),
    Difference(
        name="rmsprop-epsilon",
        title="RMSprop's epsilon",
        part=Part.OPTIMISER,
        keras="keras.optimizers.RMSprop(0.001)\n# gradient / sqrt(squares + 1e-7)",
        pytorch="torch.optim.RMSprop(model.parameters(), 0.001)\n# gradient / (sqrt(squares) + 1e-8)",
        happens=(
            "Under the root, 1e-7 weighs as much as 3e-4 behind it. PyTorch's steps are longer where gradients are "
            "small."
        ),
        align_keras="# no argument does it: write the update in a class of your own",
        align_pytorch="# no argument does it: write the update in a class of your own",
        bites=2,
        sources=(keras_source("optimizers/rmsprop.py"), torch_source("optim/rmsprop.py")),
        bitten=(
            thread(
                "pytorch/pytorch", 23796, "Difference in the implementation of rmsprop with Tensorflow", "5 August 2019"
            ),
            thread(
                "tensorflow/tensorflow",
                58412,
                "Inconsistent RMSProp implementation compared with Kingma and Ba paper",
                "2 November 2022",
            ),
        ),
        touches=switched(Switch.RMSPROP_EPSILON),
        kind="switch",
        parts_within=2,
    ),
    Difference(
        name="rmsprop-rho",
        title="RMSprop's decay of the squares",
        part=Part.OPTIMISER,
        keras="keras.optimizers.RMSprop()\n# rho=0.9",
        pytorch="torch.optim.RMSprop(model.parameters())\n# alpha=0.99",
        happens=(
            "Both start their mean of squares at 0. After one step PyTorch's holds 1 % of the squared gradient, Keras' "
            "10 %: with the same learning rate PyTorch's first step is 3.16 times as long."
        ),
        align_keras="keras.optimizers.RMSprop(rho=0.99)",
        align_pytorch="torch.optim.RMSprop(model.parameters(), alpha=0.9)",
        bites=2,
        sources=(keras_source("optimizers/rmsprop.py"), torch_source("optim/rmsprop.py")),
        bitten=(thread("pytorch/pytorch", 54368, "RMSProp documentation is confusing", "20 March 2021"),),
        touches=switched(Switch.RMSPROP_RHO),
        kind="switch",
        parts_within=2,
        cost=True,
    ),
    Difference(
        name="rmsprop-learning-rate",
        title="RMSprop's learning rate",
        part=Part.OPTIMISER,
        keras="keras.optimizers.RMSprop()\n# learning_rate=0.001",
        pytorch="torch.optim.RMSprop(model.parameters())\n# lr=0.01",
        happens=(
            "Where nothing is written, PyTorch's rate is ten times Keras'. Together with its slower mean of squares "
            "its first step is 31.6 times as long."
        ),
        align_keras="keras.optimizers.RMSprop(learning_rate=0.01)",
        align_pytorch="torch.optim.RMSprop(model.parameters(), lr=0.001)",
        bites=2,
        sources=(keras_source("optimizers/rmsprop.py"), torch_source("optim/rmsprop.py")),
        bitten=(),
        touches=of_optimisers(Optimizer.RMSPROP),
        turned_on="both",
        quantity="weight",
    ),
    Difference(
        name="clip-norm",
        title="Clipping gradients by their norm",
        part=Part.OPTIMISER,
        keras="keras.optimizers.SGD(clipnorm=1.0)\n# each variable's gradient by itself",
        pytorch="nn.utils.clip_grad_norm_(model.parameters(), 1.0)\n# all gradients together",
        happens=(
            "Keras shortens each variable's gradient to the norm, which turns the step into another direction. "
            "PyTorch shortens all of them by one factor."
        ),
        align_keras="keras.optimizers.SGD(global_clipnorm=1.0)",
        align_pytorch="for weight in model.parameters():\n    weight.grad /= weight.grad.norm().clamp(min=1.0)",
        bites=2,
        sources=(keras_source("optimizers/base_optimizer.py"), torch_source("nn/utils/clip_grad.py")),
        bitten=(
            thread("keras-team/keras", 13575, "Clip by global norm, not local norm", "24 November 2019"),
            thread(
                "tensorflow/tensorflow",
                36001,
                "Allow Optimizers to perform global gradient clipping",
                "17 January 2020",
            ),
        ),
        touches=never,
        quantity="weight",
        along="weight",
    ),
    Difference(
        name="adagrad-start",
        title="Adagrad's first accumulator",
        part=Part.OPTIMISER,
        keras="keras.optimizers.Adagrad(0.01)\n# initial_accumulator_value=0.1",
        pytorch="torch.optim.Adagrad(model.parameters(), 0.01)\n# initial_accumulator_value=0",
        happens=(
            "PyTorch's first step is as long as the learning rate, whatever the gradient. Keras' first steps are "
            "shorter where gradients are small. The default rates differ, too: 0.001 and 0.01."
        ),
        align_keras="keras.optimizers.Adagrad(0.01, initial_accumulator_value=0.0, epsilon=1e-10)",
        align_pytorch="torch.optim.Adagrad(model.parameters(), 0.01, initial_accumulator_value=0.1)",
        bites=3,
        sources=(keras_source("optimizers/adagrad.py"), torch_source("optim/adagrad.py")),
        bitten=(
            thread(
                "pytorch/pytorch",
                6616,
                "[Adagrad optimization] adding initial_accumulator_value parameter to Adagrad",
                "16 April 2018",
                pull=True,
            ),
            thread("OpenNMT/OpenNMT-py", 408, "adagrad accumulator initializer", "4 December 2017", pull=True),
        ),
        touches=never,
        turned_on="both",
        quantity="weight",
    ),
    Difference(
        name="adadelta-defaults",
        title="Adadelta's learning rate and decay",
        part=Part.OPTIMISER,
        keras="keras.optimizers.Adadelta()\n# learning_rate=0.001, rho=0.95, epsilon=1e-7",
        pytorch="torch.optim.Adadelta(model.parameters())\n# lr=1.0, rho=0.9, eps=1e-6",
        happens="With its default Keras' Adadelta moves about a thousand times slower than the paper's and PyTorch's.",
        align_keras="keras.optimizers.Adadelta(1.0, rho=0.9, epsilon=1e-6)",
        align_pytorch="torch.optim.Adadelta(model.parameters(), lr=0.001, rho=0.95, eps=1e-7)",
        bites=3,
        sources=(keras_source("optimizers/adadelta.py"), torch_source("optim/adadelta.py")),
        bitten=(
            thread(
                "tensorflow/tensorflow",
                36785,
                "TF 2.1/tf.keras AdaDelta optimizer: default epsilon and learning rate values",
                "15 February 2020",
            ),
        ),
        touches=never,
        turned_on="both",
        quantity="weight",
    ),
)
