"""The cookie of a session of the console."""

from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers

NAME = "duebook_session"


def session_token(headers: Headers) -> str | None:
    """The token of the session, from the only Cookie header."""
    cookies = headers.getlist("cookie")
    if len(cookies) != 1:
        return None
    try:
        cookie = SimpleCookie(cookies[0]).get(NAME)
    except CookieError:
        return None
    return None if cookie is None else cookie.value or None
