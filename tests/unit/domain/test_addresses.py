"""One grammar for e-mail addresses: what is accepted can be mailed, the rest is refused with its reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duebook_common.domain.addresses import is_address, mailable

LONGEST_DOMAIN = f"{'d' * 63}.{'d' * 63}.{'d' * 61}"  # 189 characters


@pytest.mark.parametrize(
    ("text", "mailed"),
    [
        ("ops@example.com", "ops@example.com"),
        ("duebook@localhost", "duebook@localhost"),
        ("a@b", "a@b"),
        ("o'neil+night.shift@Example.COM", "o'neil+night.shift@Example.COM"),
        ("ops@exämple.com", "ops@xn--exmple-cua.com"),
        ("ops@EXÄMPLE.com", "ops@xn--exmple-cua.com"),
        ("ops@exa\u0308mple.com", "ops@xn--exmple-cua.com"),
        ("ops@straße.de", "ops@xn--strae-oqa.de"),
        ("ops@例え.テスト", "ops@xn--r8jz45g.xn--zckzah"),
        ("ops@\uff45\uff58ample.com", "ops@example.com"),
        ("ops@xn--exmple-cua.com", "ops@xn--exmple-cua.com"),
        ("ops@\u05d0\u05b0.com", "ops@xn--7cb7d.com"),
        ("ops@\u0627\u0661.com", "ops@xn--mgb0j.com"),
        (f"{'x' * 64}@example.com", f"{'x' * 64}@example.com"),
        (f"{'x' * 64}@{LONGEST_DOMAIN}", f"{'x' * 64}@{LONGEST_DOMAIN}"),
    ],
)
def test_an_address_is_mailed_in_its_ascii_form(text: str, mailed: str) -> None:
    assert mailable(text) == mailed
    assert is_address(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "like ops@example.com"),
        ("ops", "like ops@example.com"),
        ("a@b@example.com", "like ops@example.com"),
        ("@example.com", "nothing stands before the @"),
        ("ops@", "nothing stands after the @"),
        ("Ops <ops@example.com>", "before the @"),
        ("a@example.com,b", "after the @"),
        ('"a,b"@example.com', "before the @"),
        ("a b@example.com", "before the @"),
        ("a@exam ple.com", "after the @"),
        ("a@example.com\r\n", "after the @"),
        ("a\x00@example.com", "before the @"),
        (".a@example.com", "before the @"),
        ("a..b@example.com", "before the @"),
        ("ünï@example.com", "before the @ is not ASCII"),
        (f"{'x' * 65}@example.com", "65 characters before the @; at most 64"),
        ("=?utf-8?q?x?=@example.com", "=?"),
        ("a@[127.0.0.1]", "after the @"),
        ("a@example..com", "after the @"),
        ("a@example.com.", "after the @"),
        ("a@-example.com", "after the @"),
        ("a@exam_ple.com", "after the @"),
        (f"a@{'d' * 64}.com", "64 characters"),
        (f"a@{'ä' * 60}.com", "characters as xn--"),
        ("a@☃.com", "xn--"),
        ("a@exa\u200dmple.com", "xn--"),
        ("a@exa\u2028mple.com", "xn--"),
        ("a@\u0301a.com", "xn--"),
        ("a@\u0661.com", "xn--"),  # an Arabic digit alone
        ("a@\u0627a.com", "xn--"),
        (f"{'x' * 64}@d{LONGEST_DOMAIN}", "characters; at most 254"),
        ("a@" + "d." * 5000 + "com", "characters; at most 254"),
    ],
)
def test_what_cannot_be_mailed_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match="is not one e-mail address") as refused:
        mailable(text)
    assert reason in str(refused.value)
    assert not is_address(text)


@given(st.text() | st.from_regex(r"[^@\n]{1,10}@[^@\n]{1,20}"))
def test_what_is_accepted_is_plain_ascii(text: str) -> None:
    if is_address(text):
        mailed = mailable(text)
        assert mailed.isascii()
        assert mailed.isprintable()
        assert not set(mailed) & set(' ,;<>()[]"\\:')
        assert len(mailed) <= 254
        assert mailable(mailed) == mailed
