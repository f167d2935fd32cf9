"""Importing the modules of tasks that users name, with errors that say where."""

import importlib
import traceback
from collections.abc import Iterable
from pathlib import Path

from duebook.errors import TaskError, short_path
from duebook.outcomes import described
from duebook.tasks import registered

_OWN = Path(__file__).parent


def load(modules: Iterable[str]) -> None:
    """Import the modules that register tasks and resources, then check all of them; raises TaskError.

    Whatever fails, the message is one line with the file and the line of the cause.
    """
    for name in filter(None, map(str.strip, modules)):
        try:
            importlib.import_module(name)
        except TaskError as error:
            raise TaskError(_one_line(str(error))) from error
        except (Exception, SystemExit) as error:
            cause = f"{_where(error)}{described(error)}{_remedy(name, error)}"
            raise TaskError(_one_line(f"cannot import the task module {name}: {cause}")) from error
    try:
        registered()
    except TaskError as error:
        raise TaskError(_one_line(str(error))) from error


def _where(error: BaseException) -> str:
    """The last line of a user's code that the error has passed, or the line that is no Python."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{short_path(error.filename)}:{error.lineno}: "
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_foreign(f.filename)]
    return f"{short_path(frames[-1].filename)}:{frames[-1].lineno}: " if frames else ""


def _remedy(name: str, error: BaseException) -> str:
    """What helps where the module itself, or a package of it, is not there."""
    if not isinstance(error, ModuleNotFoundError) or not f"{name}.".startswith(f"{error.name}."):
        return ""
    return f"; it must lie in {Path.cwd()}, in a directory that PYTHONPATH names, or among the installed packages"


def _is_foreign(file: str) -> bool:
    return file.startswith("<frozen") or "importlib" in file or Path(file).is_relative_to(_OWN)


def _one_line(text: str) -> str:
    return " ".join(text.split())
