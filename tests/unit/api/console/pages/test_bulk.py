from datetime import UTC, datetime

import pytest

from duebook_api.console.pages.bulk import BulkForm, bulk_link, dialog, fault_of_count, filter_words, outcomes
from duebook_common.domain.bulk.events import BulkAction


def _form(matched: int, **filter_: object) -> BulkForm:
    return BulkForm(BulkAction.CANCEL, filter_, matched, "/console/runs", "once", {})


def test_the_dialog_says_how_those_failed_that_failed_alike() -> None:
    form = BulkForm(BulkAction.REDRIVE, {"fingerprint": "bc13"}, 4, "/", "once", {}, error="HTTP 503\nRetry later")
    assert dialog(form, "url", needs_key=True).notes[:2] == (
        "4 dead letters match: fingerprint bc13.",
        "All failed alike, the newest with “HTTP 503”.",
    )


def test_the_dialog_of_a_redrive_says_that_an_edited_payload_is_not_sent() -> None:
    form = BulkForm(BulkAction.REDRIVE, {"fingerprint": "bc13"}, 4, "/", "once", {})
    *_, note = dialog(form, "url", needs_key=True).notes
    assert note == "Each gets new attempts with the payload that it has. An edit in the workbench is not sent."


def test_a_filter_is_in_words_with_its_text_quoted_and_its_times_short() -> None:
    since = datetime(2026, 11, 24, 2, 0, 0, 453379, tzinfo=UTC)
    words = filter_words({"tag": "tenant-7", "q": "connection refused", "finished_to": since})
    assert words == "tag tenant-7, text “connection refused”, finished to 2026-11-24 02:00:00 UTC"
    assert filter_words({"all": True}) == "all"


def test_a_large_count_must_be_typed_and_a_small_one_not() -> None:
    fields = [[field.name for field in dialog(_form(n), "url", needs_key=True).fields] for n in (1_000, 1_001)]
    assert ["confirm" in names for names in fields] == [False, True]


@pytest.mark.parametrize(
    ("shown", "now", "typed", "limit", "refused"),
    [
        (10, 12, "", None, False),
        (10, 500, "", None, True),
        (5_000, 5_100, "5000", None, False),
        (5_000, 5_000, "5,000", None, False),
        (5_000, 5_000, "500", None, True),
        (5_000, 5_000, "", 10, False),
        (5_000, 9_000, "5000", 10, True),
    ],
)
def test_a_count_that_grew_or_is_not_typed(shown: int, now: int, typed: str, limit: int | None, refused: bool) -> None:
    assert bool(fault_of_count(shown, now, typed, limit)) == refused


def test_a_link_acts_on_what_can_be_cancelled_of_the_filter() -> None:
    link = bulk_link(BulkAction.CANCEL, {"status": ("running", "succeeded"), "queue": "mail"})
    assert link is not None
    assert link.query == {"action": "cancel", "status": "running", "queue": "mail"}
    assert bulk_link(BulkAction.CANCEL, {"status": ("succeeded",)}) is None


def test_a_filter_without_such_an_operation_is_named() -> None:
    link = bulk_link(BulkAction.CANCEL, {"cause": "boom"})
    assert link is not None
    assert link.unfit == ("cause",)


def test_the_command_line_repeats_the_filter() -> None:
    copies = dict(dialog(_form(3, status=("running", "waiting"), tag="a b"), "url", needs_key=True).copies)
    command = copies["as a command line"]
    assert command.startswith("duebook bulk cancel --status running --status waiting --tag 'a b' --reason")


def test_redriven_runs_may_have_failed_again() -> None:
    found = outcomes(BulkAction.REDRIVE, {"cancelled": 1, "running": 3, "dead_lettered": 1, "succeeded": 1_024})
    assert [each.words for each in found] == ["1,024 succeeded", "1 failed again", "3 running", "1 cancelled"]
    assert [each.words for each in outcomes(BulkAction.TRIGGER, {"dead_lettered": 2})] == ["2 failed"]
    assert outcomes(BulkAction.PAUSE, None) == []
