from datetime import timedelta

from duebook_api.state.changes import PAUSE, pause_after

_SLOWER = timedelta(seconds=2)


def test_pages_hear_of_changes_every_second_while_few_events_come() -> None:
    assert pause_after(0, PAUSE) == pause_after(400, PAUSE) == PAUSE


def test_pages_hear_of_changes_every_other_second_under_load() -> None:
    assert pause_after(401, PAUSE) == pause_after(801, _SLOWER) == _SLOWER


def test_pages_hear_of_changes_every_second_again_after_a_load() -> None:
    assert pause_after(800, _SLOWER) == PAUSE
