"""What an executor says of itself at its start."""

from duebook_executor.start_line import parents_start_line, start_line


def test_the_start_line_is_a_sentence_about_all_that_matters() -> None:
    line = start_line("A-1", ["default", "reports"], ["log", "reports.weekly"], 100)
    assert line == "executor A-1 serves queues default, reports with 2 tasks (log, reports.weekly), 100 at once"
    assert start_line("A", ["default"], ["log"], 1) == "executor A serves queue default with 1 task (log), 1 at once"


def test_of_very_many_tasks_the_start_line_names_the_first() -> None:
    line = start_line("A", ["default"], [f"t{n}" for n in range(500)], 5)
    assert "with 500 tasks (t0, t1, " in line
    assert line.endswith("t19, 480 more), 5 at once")


def test_a_parent_names_its_processes() -> None:
    line = parents_start_line("A", 4, 100)
    assert line == "executor A has 4 processes, A-1 to A-4, each with 100 attempts at once"
