"""Random cron expressions, nearly all of them valid."""

import random


def any_field(chance: random.Random, low: int, high: int, star: float = 0.4) -> str:
    kind = chance.random()
    if kind < star:
        return "*"
    if kind < star + 0.1:
        return f"*/{chance.randint(2, high // 2)}"
    if kind < star + 0.2:
        first, last = sorted((chance.randint(low, high), chance.randint(low, high)))
        return f"{first}-{last}" + (f"/{chance.randint(1, 5)}" if first < last and chance.random() < 0.5 else "")
    return ",".join(str(chance.randint(low, high)) for _ in range(chance.randint(1, 3)))


def any_expression(chance: random.Random) -> str:
    """An expression of five fields, or of six with seconds first."""
    month_days = chance.choice([any_field(chance, 1, 31, 0.6), "L"])
    weekdays = chance.choice([any_field(chance, 0, 6, 0.6), "MON#2", "5L"])
    fields = [any_field(chance, 0, 59, 0.2), any_field(chance, 0, 23), month_days, any_field(chance, 1, 12, 0.7)]
    seconds = [any_field(chance, 0, 59, 0.1)] if chance.random() < 0.3 else []
    return " ".join([*seconds, *fields, weekdays])


def nightly_expression(chance: random.Random) -> str:
    """An expression of the early hours, in which transitions happen."""
    weekdays = chance.choice(["*", "0,6", "*"])
    return " ".join([any_field(chance, 0, 59, 0.1), any_field(chance, 0, 5, 0.2), "*", "*", weekdays])
