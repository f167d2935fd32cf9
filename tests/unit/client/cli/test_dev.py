"""`duebook dev` refuses what cannot be a port before it starts anything."""

import pytest
from typer.testing import CliRunner

from duebook.cli.app import app


@pytest.mark.parametrize("port", ["0", "-1", "70000", "abc"])
def test_what_is_no_port_is_refused_as_wrong_usage(port: str) -> None:
    done = CliRunner().invoke(app, ["dev", "--port", port])
    assert done.exit_code == 2
    assert "--port" in done.stderr
