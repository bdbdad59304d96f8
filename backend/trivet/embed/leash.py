"""Run as a script: tie this process to its parent, take on an account, become the command.

    python -I -S leash.py PARENT_PID SIGNAL UID GID COMMAND...

The kernel then sends SIGNAL to the command when the parent dies, also by kill -9, so that nothing is left behind.
A script and not a `preexec_fn`, because Python code between fork and exec is unsafe in a process with threads.
Standard library only: it starts in a few milliseconds and must not need the package.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1
_UNCHANGED = -1


def main() -> None:
    parent, signal_number, uid, gid = (int(argument) for argument in sys.argv[1:5])
    command = sys.argv[5:]
    if uid != _UNCHANGED:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # After setuid: a change of credentials clears the death signal; exec keeps it.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:
        raise SystemExit("trivet: the parent died before the command started")
    os.execv(command[0], command)  # noqa: S606  # exactly the purpose: no shell, same pid


if __name__ == "__main__":
    main()
