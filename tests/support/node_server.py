"""The real server as a child of a test: started on a free port, ready when it answers, ended at the
end. Waits for events with a deadline, never for time."""

import atexit
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

READY_SECONDS = 15


def free_port():
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class NodeServer:
    """`binary --listen 127.0.0.1:PORT flags...`, its output in a log file."""

    def __init__(self, binary, log, *flags):
        self.port = free_port()
        self.http = f"http://127.0.0.1:{self.port}"
        self.ws = f"ws://127.0.0.1:{self.port}"
        self.log = pathlib.Path(log)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = [str(binary), "--listen", f"127.0.0.1:{self.port}", *flags]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        atexit.register(self.stop)
        self._wait_until_ready()

    def _wait_until_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                # Returns when the child has ended; the timeout is the pace of the attempts.
                code = self.process.wait(timeout=0.05)
                sys.exit(f"the server ended with {code}:\n{self.log.read_text()}")
            except subprocess.TimeoutExpired:
                pass
            try:
                with urllib.request.urlopen(f"{self.http}/live", timeout=5):
                    return
            except OSError:
                continue
        self.stop()
        sys.exit(f"the server did not answer within {READY_SECONDS} s:\n{self.log.read_text()}")

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode
