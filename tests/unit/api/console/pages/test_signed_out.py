import pytest

from duebook_api.console.pages.signed_out import dialog_path, kept, typed


@pytest.mark.parametrize(
    "path", ["/console/jobs/1/delete", "/console/runs/1/erase", "/console/keys/delete/revoke", "/console/freeze"]
)
def test_what_needs_a_confirmation_leads_to_its_dialog(path: str) -> None:
    assert dialog_path(path, {}) == path


@pytest.mark.parametrize("path", ["/console/new-job", "/console/jobs/1/edit", "/console/jobs/1/trigger"])
def test_other_forms_are_sent_again(path: str) -> None:
    assert dialog_path(path, {}) is None


def test_a_bulk_operation_leads_to_the_dialog_that_counts_anew() -> None:
    fields = {"action": "delete", "filter.q": "a&b", "filter.status": "paused,active", "confirm": "2", "once": "1"}
    assert dialog_path("/console/bulk/new", fields) == "/console/bulk/new?q=a%26b&status=paused%2Cactive&action=delete"


def test_what_was_typed_is_shown_without_what_the_form_adds() -> None:
    assert typed({"reason": "r" * 900, "once": "1", "hold": ""}) == [("reason", "r" * 499 + "…")]


def test_the_range_of_a_backfill_is_checked_anew() -> None:
    assert kept({"from": "a", "to": "b", "checked": "a b"}) == {"from": "a", "to": "b"}
