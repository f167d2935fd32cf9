"""Following a job log: each entry once, also one that is committed below a printed one."""

from duebook.cli.logs import new_entries


def entries(*ids: int) -> list[dict[str, str]]:
    return [{"id": str(each)} for each in ids]


def test_an_entry_below_a_printed_one_is_new() -> None:
    assert new_entries(entries(5, 4, 3, 2, 1), {"1", "2", "4"}) == entries(5, 3)


def test_of_a_long_log_only_its_end_is_read_again() -> None:
    printed = {str(n) for n in range(1000)}
    newest = iter(entries(*range(1001, -1, -1)))
    assert new_entries(newest, printed) == entries(1001, 1000)
    assert next(newest) == {"id": str(1000 - 201)}
