"""Redis of the local stack: pause and resume."""

import socket

import pytest

from duebook_devstack.redis import Redis


def test_a_paused_server_answers_after_it_is_resumed(private_redis: Redis) -> None:
    address = ("127.0.0.1", int(private_redis.url.rpartition(":")[2].partition("/")[0]))
    private_redis.pause()
    with socket.create_connection(address, timeout=0.3) as connection:
        connection.sendall(b"PING\r\n")
        with pytest.raises(TimeoutError):
            connection.recv(16)
        private_redis.resume()
        connection.settimeout(60)
        assert connection.recv(16) == b"+PONG\r\n"
