"""By which signs of life an executor counts as ended."""

from datetime import timedelta

from duebook_scheduler.sign_history import GRACE, SignHistory
from support.samples import HOUR, NOW

GIVEN, FREE = {"executor a": False}, {"executor a": True}
MOMENT = timedelta(microseconds=1)


def trusting() -> SignHistory:
    history = SignHistory()
    assert history.see(GIVEN | {"executor b": True}, NOW) == {"executor a"}
    history.trust("executor a")
    return history


def test_a_sign_that_stays_missing_for_the_grace_time_is_an_end_then() -> None:
    history = trusting()
    for now in (NOW + HOUR, NOW + HOUR + GRACE - MOMENT):
        history.see(FREE, now)
        assert history.missing(now) == {}
    history.see(FREE, NOW + HOUR + GRACE)
    assert history.missing(NOW + HOUR + GRACE) == {"executor a": NOW + HOUR}


def test_a_sign_that_is_given_again_is_a_lost_connection() -> None:
    history = trusting()
    history.see(FREE, NOW)
    history.see(GIVEN, NOW + GRACE - MOMENT)
    history.see(FREE, NOW + GRACE)
    assert history.missing(NOW + GRACE) == {}


def test_a_sign_that_this_session_never_saw_proves_nothing() -> None:
    history = SignHistory()  # as after a restart of PostgreSQL, when no sign is given yet
    for now in (NOW, NOW + HOUR):
        history.see(FREE, now)
        assert history.missing(now) == {}


def test_an_executor_that_has_left_or_is_known_to_have_ended_is_watched_no_more() -> None:
    history = trusting()
    history.see({}, NOW)
    history.see(FREE, NOW + HOUR)
    assert not history.watched
    history = trusting()
    history.see(FREE, NOW)
    history.forget("executor a")
    history.see(FREE, NOW + HOUR)
    assert history.missing(NOW + HOUR) == {}
