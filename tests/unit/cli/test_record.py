"""What `make record` makes."""

from core.cli.record import DUELS
from core.experiment.titles import duel_title


def test_no_two_duels_are_called_alike_and_each_name_is_short() -> None:
    names = [duel_title(settings) for settings in DUELS]
    assert len(set(names)) == len(DUELS) == 5
    assert max(map(len, names)) <= 25
