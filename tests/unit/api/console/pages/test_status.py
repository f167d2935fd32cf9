from duebook_api.console.pages.status import LOOKS, chip, look
from duebook_common.domain.job.state import JobStatus
from duebook_common.domain.run.state import RunStatus


def test_each_status_has_a_word_and_a_glyph_of_its_own_among_runs() -> None:
    looks = [LOOKS[status.value] for status in RunStatus]
    assert len({each.word for each in looks}) == len({each.glyph for each in looks}) == len(looks)


def test_each_status_of_a_job_has_a_look() -> None:
    assert {status.value for status in JobStatus} <= LOOKS.keys()


def test_a_chip_has_word_shape_and_role() -> None:
    shown = chip("dead_lettered", "at the fourth attempt")
    assert "dead letter, at the fourth attempt" in shown
    assert 'class="glyph is-dead"' in shown


def test_an_unknown_status_is_shown_by_its_name_and_escaped() -> None:
    assert look("put_away").word == "put away"
    assert "<b>" not in chip("<b>")
