"""HTTP without TLS, as our own processes on this machine speak it."""

import ssl

WITHOUT_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For `verify`: without it each new client of httpx2 loads the machine's authorities, which takes 25 ms of CPU."""
