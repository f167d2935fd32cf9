from duebook_api.http.filters import dead_letter_conditions, job_conditions, newest_first, newest_first_of_union, where
from duebook_api.http.paging import JOBS, PageQuery, encode_cursor
from support.samples import JOB_ID, NOW


def test_a_condition_with_a_none_among_its_arguments_is_left_out() -> None:
    assert where(("a = {}", None), ("b",), ("(c, d) < ({}, {})", 1, 2), ("(e, f) < ({}, {})", 1, None)) == (
        "b AND (c, d) < ($1, $2)",
        [1, 2],
    )
    assert where(("a = {}", None)) == ("true", [])


def test_a_page_has_one_row_more_than_its_limit_and_starts_after_its_cursor() -> None:
    page = PageQuery(limit=2, cursor=encode_cursor(PageQuery(), NOW, JOB_ID))
    text, arguments = newest_first("SELECT * FROM jobs", JOBS, page, ("name = {}", "n"))
    select, order = "SELECT * FROM jobs WHERE name = $1 AND", "ORDER BY created_at DESC, job_id DESC LIMIT 3"
    assert text == f"{select} (created_at, job_id) < ($2, $3) {order}"
    assert arguments == ["n", NOW, JOB_ID]


def test_a_union_orders_and_limits_each_part_and_the_whole() -> None:
    task = ("task = {}", "t")
    text, arguments = newest_first_of_union("S", JOBS, PageQuery(limit=1), [task, ("x",)], [task, ("y",)])
    end = "ORDER BY created_at DESC, job_id DESC LIMIT 2"
    assert text == f"(S WHERE task = $1 AND x {end}) UNION ALL (S WHERE task = $1 AND y {end}) {end}"
    assert arguments == ["t"]


def test_filters_become_conditions() -> None:
    assert where(*job_conditions("n", None, "q", "t")) == (
        "name = $1 AND queue = $2 AND tags @> ARRAY[$3] AND tags <> '{}'",
        ["n", "q", "t"],
    )
    assert where(*dead_letter_conditions(None, None, None, "f")) == (
        "status = 'dead_lettered' AND fingerprint = $1",
        ["f"],
    )
