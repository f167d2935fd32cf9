"""One table of columns makes statements and arguments that agree."""

from dataclasses import dataclass

from duebook_common.store.columns import Column, Columns, arguments, insert, update


@dataclass
class Page:
    number: int


@dataclass
class Book:
    id: int
    title: str
    page: Page


BOOK: Columns[Book] = (
    Column("book_id", "int", "id"),
    Column("title", "text"),
    Column("page", "smallint", "page.number"),
    Column("shout", "jsonb", lambda book: book.title.upper(), "r.shout ->> 0"),
)
BOOKS = [Book(1, "one", Page(10)), Book(2, "two", Page(20))]


def test_an_insert_takes_one_array_for_each_column() -> None:
    assert insert("books", BOOK) == (
        "INSERT INTO books (book_id, title, page, shout) SELECT r.book_id, r.title, r.page, r.shout ->> 0 "
        "FROM unnest($1::int[], $2::text[], $3::smallint[], $4::jsonb[]) AS r (book_id, title, page, shout)"
    )


def test_an_update_finds_its_rows_by_the_first_column() -> None:
    assert update("books", BOOK[:2], first=5, join="JOIN shelves USING (book_id)") == (
        "UPDATE books SET title = r.title FROM unnest($5::int[], $6::text[]) AS r (book_id, title) "
        "JOIN shelves USING (book_id) WHERE books.book_id = r.book_id"
    )


def test_the_arguments_are_attributes_and_results_of_functions() -> None:
    assert arguments(BOOK)(BOOKS) == [(1, 2), ("one", "two"), (10, 20), ("ONE", "TWO")]
