"""Submits tasks of a peer, in the peer's environment: `python -m benchmarks.peers.submission MODULE each|all COUNT`."""

import json
import sys
import time
from importlib import import_module


def main() -> None:
    module, how, count = sys.argv[1:]
    began = getattr(import_module(module), f"submit_{how}")(int(count))
    print(json.dumps({"began": began, "ended": time.time()}))


if __name__ == "__main__":
    main()
