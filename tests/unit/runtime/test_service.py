"""A service gives back the memory that its imports no longer need, where the C library has a function for it."""

import ctypes
from types import SimpleNamespace

import pytest

from duebook_common.runtime import service


def test_a_c_library_that_cannot_give_memory_back_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    service.return_memory()


def test_a_c_library_that_can_gives_back_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(malloc_trim=calls.append))
    service.return_memory()
    assert calls == [0]
