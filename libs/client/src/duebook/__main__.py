"""The entry point of `duebook` and of `python -m duebook`."""

import sys


def main() -> None:
    """Run the command line. Without the extra `cli`, print what to install and exit with 1."""
    try:
        from duebook.cli.app import main as command_line  # noqa: PLC0415 - the SDK works without the extra
    except ModuleNotFoundError as error:
        sys.exit(f"duebook: the command line needs {error.name}: pip install 'duebook[cli]'")
    command_line()


if __name__ == "__main__":
    main()
