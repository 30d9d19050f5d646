"""Differences of the training loop: modes, means, schedules of the learning rate."""

from core.compare.differences.difference import (
    LOOP,
    Difference,
    Part,
    always,
    keras_source,
    never,
    of_kinds,
    thread,
    torch_source,
)
from core.experiment.layers import BatchNorm, Dropout

SCHEDULES = (keras_source("optimizers/schedules/learning_rate_schedule.py"), torch_source("optim/lr_scheduler.py"))

ROWS = (
    Difference(
        name="evaluation-mode",
        title="Evaluating in training mode",
        part=Part.LOOP,
        keras="model.evaluate(x, y)\n# evaluates: dropout off, kept statistics",
        pytorch="model(x)\n# a module is in training mode until model.eval() is called",
        happens=(
            "Without model.eval(), dropout drops and batch norm uses the batch at hand: the answers are worse, and "
            "random."
        ),
        align_keras="model(x, training=True)",
        align_pytorch="model.eval()\nmodel(x)",
        bites=1,
        sources=(keras_source("backend/tensorflow/trainer.py"), torch_source("nn/modules/module.py")),
        bitten=(
            thread("pytorch/pytorch", 1207, "Dropout noise in regression", "7 April 2017"),
            thread("ipolharvard/ethos-ares", 20, "Dropout active during inference and evaluation?", "16 February 2026"),
        ),
        touches=of_kinds(Dropout, BatchNorm),
        quantity="output",
        along="row",
    ),
    Difference(
        name="epoch-loss",
        title="The loss of an epoch",
        part=Part.LOOP,
        keras='model.fit(x, y).history["loss"]\n# each batch counts by its rows',
        pytorch="epoch_loss = sum(batch_losses) / len(batch_losses)\n# the usual loop: each batch counts the same",
        happens=(
            "A last batch of few rows counts too much in a mean of means. And neither is the loss at the end of the "
            "epoch: the weights change while it is summed."
        ),
        align_keras="model.evaluate(x, y)  # of the weights at the end",
        align_pytorch="epoch_loss = sum(loss * len(rows) for loss, rows in batches) / len(dataset)",
        bites=1,
        sources=(keras_source("backend/tensorflow/trainer.py"),),
        bitten=(
            thread("keras-team/keras", 503, "Output of evaluate and fit are not consistent", "7 August 2015"),
            thread("catalyst-team/catalyst", 799, "Mistake in averaging of total epoch loss", "9 May 2020"),
        ),
        touches=always(LOOP),
        along="epoch",
    ),
    Difference(
        name="plateau-patience",
        title="Patience of ReduceLROnPlateau",
        part=Part.LOOP,
        keras="keras.callbacks.ReduceLROnPlateau(patience=2)\n# lowers after 2 epochs that are no better",
        pytorch="torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2)\n# lowers after more than 2",
        happens=(
            "With the same patience PyTorch lowers the rate one epoch later. Better means by 1e-4 in Keras, and by a "
            "ten-thousandth of the loss in PyTorch."
        ),
        align_keras="keras.callbacks.ReduceLROnPlateau(patience=3)",
        align_pytorch=(
            "torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, threshold=1e-4, threshold_mode='abs')"
        ),
        bites=2,
        sources=(keras_source("callbacks/reduce_lr_on_plateau.py"), torch_source("optim/lr_scheduler.py")),
        bitten=(
            thread("pytorch/pytorch", 7151, "Fix ReduceLROnPlateau's patience mechanic.", "1 May 2018", True),
            thread(
                "pytorch/pytorch",
                119763,
                "Learning rate reduction in ReduceLROnPlateau scheduler occurs one epoch later than expected due to "
                "patience parameter comparison",
                "14 February 2024",
            ),
        ),
        touches=never,
        quantity="learning rate",
        along="epoch",
        parts_within=4,
    ),
    Difference(
        name="cosine-end",
        title="A cosine schedule after its end",
        part=Part.LOOP,
        keras="keras.optimizers.schedules.CosineDecay(0.1, decay_steps=10)\n# stays at the end",
        pytorch="torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)\n# climbs again after T_max",
        happens=(
            "Beyond its last step PyTorch's rate rises to where it began. The floor is a fraction of the rate in Keras "
            "(alpha) and a rate in PyTorch (eta_min)."
        ),
        align_keras="# none of its schedules climbs: write a LearningRateSchedule of your own",
        align_pytorch="if step < 10:\n    scheduler.step()",
        bites=2,
        sources=SCHEDULES,
        bitten=(),
        touches=never,
        quantity="learning rate",
        along="step",
        parts_within=12,
    ),
    Difference(
        name="schedule-step",
        title="What a schedule counts",
        part=Part.LOOP,
        keras="keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=1, decay_rate=0.5)\n# counts batches",
        pytorch=(
            "torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)\n"
            "# counts calls of step(), usually one an epoch"
        ),
        happens="The same numbers decay once a batch in Keras and once an epoch in most PyTorch loops.",
        align_keras="ExponentialDecay(0.1, decay_steps=steps_per_epoch, decay_rate=0.5, staircase=True)",
        align_pytorch="for batch in loader:\n    train(batch)\n    scheduler.step()",
        bites=2,
        sources=SCHEDULES,
        bitten=(
            thread(
                "Lightning-AI/pytorch-lightning",
                5631,
                "lr_scheduler step() called after every epoch instead of after every batch",
                "23 January 2021",
            ),
            thread("pytorch/pytorch", 65417, "OneCycleLR updating on epoch rather than on step", "21 September 2021"),
        ),
        touches=never,
        quantity="learning rate",
        along="step",
        parts_within=2,
    ),
)
