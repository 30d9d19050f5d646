"""The fields of the Train page: each kind of setting has one."""

import pytest

from core.experiment.kinds import Setting
from core.web.train import form


class OfNoKind(Setting):
    """A setting of a kind that came later."""

    @property
    def allowed(self) -> str:
        return "anything"

    def why_not(self, value: object) -> str:
        return ""


def test_a_kind_of_setting_that_has_no_field_is_told_and_not_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(form.SETTINGS, "seed", OfNoKind("Seed"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="no field is known for the setting seed, a OfNoKind"):
        form._field("seed", {}, disabled=False)
