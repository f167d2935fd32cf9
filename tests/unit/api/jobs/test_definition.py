"""A body's definition: addresses that no mail could be sent to are refused where the job is created."""

from typing import Any

import pytest

from duebook_api.http.problems import Problem
from duebook_api.http.requests import validated
from duebook_api.jobs.definition import define
from duebook_api.schemas.bodies import JobBody
from duebook_common.domain.definition import Definition
from support.samples import NOW

TOO_LONG = f"{'x' * 65}@example.com"


def defined(**fields: Any) -> Definition:
    return define(validated(JobBody, {"name": "n", **fields}, ""), NOW)


@pytest.mark.parametrize("to", [TOO_LONG, "ünï@example.com", "a@ex_ample.com", "=?utf-8?q?x?=@example.com"])
def test_a_recipient_that_cannot_be_mailed_is_refused(to: str) -> None:
    with pytest.raises(Problem, match="is not one e-mail address") as refused:
        defined(notify={"to": [to]})
    assert refused.value.faults[0].pointer == "/notify/to/0"
    with pytest.raises(Problem, match=r"set `notify\.to`") as refused:
        defined(payload={"to": to})
    assert refused.value.faults[0].pointer == "/payload/to"


def test_an_international_domain_is_a_recipient() -> None:
    assert defined(notify={"to": ["ops@exämple.com"]}).recipients == ("ops@exämple.com",)
    assert defined(payload={"to": "ops@exämple.com"}).recipients == ("ops@exämple.com",)


@pytest.mark.parametrize(
    "fields",
    [
        {"payload": {"to": TOO_LONG}, "notify": {"to": ["ops@example.com"]}},
        {"payload": {"to": TOO_LONG}, "notify": {"on": []}},
        {"payload": {"to": "meet @ noon"}},
        {"payload": {"to": "@channel"}},
        {"payload": {"to": [TOO_LONG]}},
        {"payload": [TOO_LONG]},
    ],
)
def test_a_payload_that_names_no_recipient_is_not_checked(fields: dict[str, Any]) -> None:
    assert TOO_LONG not in defined(**fields).recipients
