"""Answers from states."""

from duebook_api.schemas import views


def test_a_number_is_shown_as_one_although_it_equals_a_truth_value() -> None:
    for value in (False, 0, 0.0, True, 1, 1.0):
        shown = views.jsonable(value)
        assert (type(shown), shown) == (type(value), value)
