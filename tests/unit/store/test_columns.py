"""One table of columns makes statements and arguments that agree."""

from dataclasses import dataclass

from duebook_common.store.columns import Column, Columns, arguments, insert, inserts, one_row, update, updates


@dataclass
class Track:
    number: int


@dataclass
class Album:
    id: int
    title: str
    track: Track


ALBUM: Columns[Album] = (
    Column("album_id", "int", "id"),
    Column("title", "text"),
    Column("track", "smallint", "track.number"),
    Column("shout", "jsonb", lambda album: album.title.upper(), "r.shout ->> 0"),
)
ALBUMS = [Album(1, "one", Track(10)), Album(2, "two", Track(20))]


def test_an_insert_takes_one_array_for_each_column() -> None:
    assert insert("albums", ALBUM) == (
        "INSERT INTO albums (album_id, title, track, shout) SELECT r.album_id, r.title, r.track, r.shout ->> 0 "
        "FROM unnest($1::int[], $2::text[], $3::smallint[], $4::jsonb[]) AS r (album_id, title, track, shout)"
    )


def test_an_update_finds_its_rows_by_the_first_column() -> None:
    assert update("albums", ALBUM[:2], first=5, join="JOIN shelves USING (album_id)") == (
        "UPDATE albums SET title = r.title FROM unnest($5::int[], $6::text[]) AS r (album_id, title) "
        "JOIN shelves USING (album_id) WHERE albums.album_id = r.album_id"
    )


def test_one_row_takes_one_value_for_each_column() -> None:
    assert one_row(ALBUM[:2], 5, "a") == "(SELECT $5::int, $6::text) AS a (album_id, title)"


def test_a_state_alone_takes_values_instead_of_arrays() -> None:
    row = "(SELECT $1::int, $2::text) AS r (album_id, title)"
    inserting = f"INSERT INTO albums (album_id, title) SELECT r.album_id, r.title FROM {row}"
    updating = f"UPDATE albums SET title = r.title FROM {row}  WHERE albums.album_id = r.album_id"
    assert inserts("albums", ALBUM[:2]).of(ALBUMS[:1]) == [inserting, 1, "one"]
    assert updates("albums", ALBUM[:2]).of(ALBUMS[1:]) == [updating, 2, "two"]
    assert inserts("albums", ALBUM).of(ALBUMS) == [insert("albums", ALBUM), *arguments(ALBUM)(ALBUMS)]


def test_the_arguments_are_attributes_and_results_of_functions() -> None:
    assert arguments(ALBUM)(ALBUMS) == [(1, 2), ("one", "two"), (10, 20), ("ONE", "TWO")]
