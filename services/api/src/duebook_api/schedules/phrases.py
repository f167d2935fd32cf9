"""Words for numbers, times and lists, as descriptions of schedules use them."""

from collections.abc import Callable, Iterable, Iterator


def clock(hour: int, minute: int, second: int = 0) -> str:
    return f"{hour:02}:{minute:02}" + (f":{second:02}" if second else "")


def ordinal(n: int) -> str:
    """1 is "1st", -1 is "last", -2 is "2nd last"."""
    if n == -1:
        return "last"
    suffix = "th" if 10 <= abs(n) % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(abs(n) % 10, "th")
    return f"{abs(n)}{suffix}" if n > 0 else f"{abs(n)}{suffix} last"


def listed(items: Iterable[str], conjunction: str = "and") -> str:
    """The items with commas between them and the conjunction before the last."""
    *most, last = items
    return f"{', '.join(most)} {conjunction} {last}" if most else last


def runs(numbers: Iterable[int], word: Callable[[int], str] = str) -> Iterator[str]:
    """The numbers in words; three or more in a row are one item.

    >>> list(runs([1, 2, 3, 5, 6, 8]))
    ['1 through 3', '5', '6', '8']
    """
    run: list[int] = []
    for number in [*sorted(numbers), None]:
        if run and number != run[-1] + 1:
            yield from [f"{word(run[0])} through {word(run[-1])}"] if len(run) > 2 else map(word, run)
            run = []
        if number is not None:
            run.append(number)
