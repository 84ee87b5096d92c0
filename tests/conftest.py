"""What all tests share."""

import signal

# A shell that runs the tests in the background, or nohup, has them ignore these signals, and their children inherit it.
# Tests of interruption send them.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGTERM, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)
