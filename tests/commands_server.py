"""Runs commands in forks of one process that has imported everything: a command costs a tenth of a second, not two.

Reads one JSON object a line: the module, its arguments, the folder, and what happens to it (a signal after so many
seconds, at the moment when a file is opened, or at the n-th call of a function; a limit on the size of files; more for
the environment). Answers with a JSON object.
"""

import importlib
import json
import os
import resource
import signal
import sys
import threading
from types import FrameType
from typing import Any


def run(asked: dict[str, Any]) -> dict[str, Any]:
    """The exit code (negative for a signal) and the outputs of one command."""
    out, err = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        _become(asked, out[1], err[1])
    os.close(out[1])
    os.close(err[1])
    timer = None
    if "after" in asked:
        timer = threading.Timer(asked["after"], os.kill, (child, asked["signal"]))
        timer.start()
    with os.fdopen(out[0], errors="replace") as said, os.fdopen(err[0], errors="replace") as complained:
        answer = {"out": said.read(), "err": complained.read()}
    status = os.waitpid(child, 0)[1]
    if timer is not None:
        timer.cancel()
        # A fork beside a thread could inherit a lock that the thread holds.
        timer.join()
    return {"code": os.waitstatus_to_exitcode(status), **answer}


def _become(asked: dict[str, Any], out: int, err: int) -> None:
    # Whatever goes wrong, the test fails and does not wait for ever.
    signal.alarm(120)
    os.chdir(asked["folder"])
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    sys.argv = [asked["module"], *asked["arguments"]]
    os.environ.update(asked.get("environment", {}))
    if "limit" in asked:
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["limit"], asked["limit"]))
    if "opens" in asked:
        sent: list[bool] = []

        def seen(event: str, arguments: tuple[Any, ...]) -> None:
            if event == "open" and not sent and str(arguments[0]).endswith(asked["opens"]):
                sent.append(True)
                os.kill(os.getpid(), asked["signal"])

        sys.addaudithook(seen)
    if "calls" in asked:
        name, left = asked["calls"]

        def called(frame: FrameType, event: str, argument: Any) -> None:
            nonlocal left
            if event == "call" and frame.f_code.co_name == name:
                left -= 1
                if left == 0:
                    sys.setprofile(None)
                    os.kill(os.getpid(), asked["signal"])

        sys.setprofile(called)
    code: Any = 1
    try:
        code = importlib.import_module(asked["module"]).main()
    except SystemExit as left:
        code = left.code
    finally:
        if sys.exc_info()[0] not in (None, SystemExit):
            sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        sys.stdout.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def main() -> None:
    """Answers until its input ends."""
    for name in json.loads(sys.argv[1]):
        importlib.import_module(name)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
