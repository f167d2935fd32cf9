from datetime import timedelta

from duebook_api.access.rate_limit import Bucket, limit_headers
from duebook_common.runtime.rates import Rate

RATE = Rate(10, timedelta(seconds=5))  # two a second


def test_a_client_may_send_as_many_as_the_bucket_holds_and_then_at_the_rate() -> None:
    bucket = Bucket(0.0, 100.0)
    assert [bucket.take(RATE, 100.0).admitted for _ in range(12)] == [True] * 10 + [False] * 2
    assert [bucket.take(RATE, 100.5).admitted for _ in range(2)] == [True, False]
    assert [bucket.take(RATE, 200.0).admitted for _ in range(11)] == [True] * 10 + [False]


def test_an_answer_says_what_is_left_and_when_to_come_again() -> None:
    bucket = Bucket(0.0, 0.0)
    first = limit_headers(RATE, bucket.take(RATE, 0.0))
    assert first == {"RateLimit-Policy": '"default";q=10;w=5', "RateLimit": '"default";r=9;t=1'}
    for _ in range(9):
        bucket.take(RATE, 0.0)
    refused = limit_headers(RATE, bucket.take(RATE, 0.0))
    assert (refused["RateLimit"], refused["Retry-After"]) == ('"default";r=0;t=5', "1")


def test_what_an_admitted_request_costs_more_delays_the_next() -> None:
    bucket = Bucket(0.0, 0.0)
    bucket.take(RATE, 0.0)
    bucket.add(100)
    refused = bucket.take(RATE, 0.0)
    assert (refused.admitted, refused.remaining, refused.retry_after) == (False, 0, 46)
    assert not bucket.take(RATE, 45.9).admitted
    assert bucket.take(RATE, 46.0).admitted


def test_refused_requests_cost_nothing() -> None:
    bucket = Bucket(10.0, 0.0)
    for _ in range(1_000):
        assert not bucket.take(RATE, 0.0).admitted
    assert bucket.take(RATE, 0.5).admitted


def test_what_was_used_during_a_synchronisation_is_not_forgotten() -> None:
    bucket = Bucket(3.0, 0.0)
    bucket.take(RATE, 0.0)
    bucket.learn(8.0, 0.0)
    assert bucket.level == 9.0
    assert [bucket.take(RATE, 0.0).admitted for _ in range(2)] == [True, False]
