"""The options of `python -m core train`: one for each setting, with its default and what it may be."""

from typing import Any

import typer

from core.cli.app import app
from core.experiment.settings import SETTINGS, TrainSettings


def test_train_has_an_option_for_each_setting_with_its_default_and_its_help() -> None:
    group: Any = typer.main.get_command(app)
    options = {option.name: option for option in group.commands["train"].params}
    assert set(options) == {*SETTINGS, "as_json"}
    for name, setting in SETTINGS.items():
        assert options[name].opts == [f"--{name.replace('_', '-')}"]
        assert options[name].help == setting.option_help
    assert TrainSettings.parse({name: options[name].default for name in SETTINGS}) == TrainSettings()
    assert options["batch_size"].help == "1 to 4,096."
    assert (
        options["dataset"].help
        == "mnist5k, mnist, fashion-mnist, kmnist, cifar10, digits, or own-NAME for your own images. "
        "For digits: --network mlp, batchnorm, deep or strided."
    )
