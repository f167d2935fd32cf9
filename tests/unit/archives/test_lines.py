"""Lines in a compressed file."""

from collections.abc import AsyncIterator

import pytest
import zstandard

from duebook_common.archives.lines import LineFile, file_state, line_batches, read_lines

LINES = [b'{"n": %d}' % n for n in range(5_000)]


async def _parts(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def _written() -> tuple[object, bytes]:
    file = LineFile("name", "events")
    async for part in _parts(b"".join(line + b"\n" for line in LINES), 777):
        await file.write(part)
    return file.complete()


@pytest.mark.parametrize("size", [1, 100, 10**6])
async def test_lines_come_back_however_the_file_is_cut(size: int) -> None:
    _, content = await _written()
    assert [line async for some in read_lines(_parts(content, size)) for line in some] == LINES


async def test_the_manifest_gets_size_hash_and_number_of_lines() -> None:
    described, content = await _written()
    state = await file_state(_parts(content, 1000))
    assert (described.lines, described.bytes, described.sha256) == (len(LINES), state.bytes, state.sha256)  # type: ignore[attr-defined]


async def test_a_file_without_lines_is_whole() -> None:
    _, content = LineFile("name", "events").complete()
    assert not [some async for some in read_lines(_parts(content, 10))]


async def test_a_file_that_was_cut_off_is_refused() -> None:
    _, content = await _written()
    with pytest.raises(ValueError, match="ends too early"):
        [some async for some in read_lines(_parts(content[:-5], 1000))]


async def test_a_file_that_is_no_archive_is_refused() -> None:
    with pytest.raises(ValueError, match="not a file of an archive"):
        [some async for some in read_lines(_parts(b"not compressed at all", 5))]


async def test_what_expands_without_bound_is_read_in_bounded_steps() -> None:
    """40 MiB of lines in 1.3 kB: no part of a file makes more than its share of the memory."""
    line = b"0" * 1023 + b"\n"
    content = zstandard.compress(line * 200_000)
    sizes = [sum(map(len, some)) async for some in line_batches(_parts(content, 10**6), 500_000)]
    assert sum(sizes) == 1023 * 200_000
    assert max(sizes) < 9 * 1024 * 1024
    assert max([sum(map(len, some)) async for some in read_lines(_parts(content, 10**6))]) < 40 * 1024 * 1024


async def test_a_line_that_never_ends_is_refused() -> None:
    with pytest.raises(ValueError, match="a line is longer"):
        [some async for some in read_lines(_parts(zstandard.compress(b"0" * 80_000_000), 10**6))]


@pytest.mark.parametrize("most", [1, 500, 5_001])
async def test_lines_come_in_batches(most: int) -> None:
    _, content = await _written()
    batches = [some async for some in line_batches(_parts(content, 100), most)]
    assert [line for some in batches for line in some] == LINES
    assert max(map(len, batches)) == min(most, len(LINES))
