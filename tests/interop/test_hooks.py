"""Backends that answer hooks: the examples of examples/hooks, in Node and Python, called by the real
server. docs/hooks.md shows the same files."""

import asyncio
import os
import pathlib
import re
import socket
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from peers import PythonPeer  # noqa: E402
from support.node_server import NodeServer  # noqa: E402

FANWIRE = os.environ["FANWIRE"]
EXAMPLES = ROOT / "examples/hooks"
SECRET = "a secret of the hooks' tests"


class Backend:
    """One of the examples, on a port of its own."""

    def __init__(self, *command):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        environment = {**os.environ, "HOOK_SECRET": SECRET, "PORT": str(self.port)}
        self.process = subprocess.Popen([str(word) for word in command], env=environment,
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "listening\n"

    def line(self):
        """The next line that it prints."""
        return self.process.stdout.readline().strip()

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Examples(unittest.IsolatedAsyncioTestCase):
    def started(self, name, backend, secret):
        server = NodeServer(FANWIRE, ROOT / f"target/interop-hooks-{name}.log",
                            f"--hook-url=http://127.0.0.1:{backend.port}/", f"--hook-secret={secret}",
                            "--hooks=connect,publish,subscribe,disconnect,occupied,vacated")
        self.addCleanup(server.stop)
        return server

    async def backends(self):
        for name, command in (("node", ["node", EXAMPLES / "backend.mjs"]),
                              ("python", [sys.executable, EXAMPLES / "backend.py"])):
            with self.subTest(backend=name):
                backend = await asyncio.to_thread(Backend, *command)
                self.addCleanup(backend.stop)
                yield name, backend

    async def test_they_decide_and_are_told(self):
        async for name, backend in self.backends():
            server = await asyncio.to_thread(self.started, name, backend, SECRET)
            async with PythonPeer(f"{server.ws}/ws") as client:
                welcome = await client.envelope(type="connection")
                connection = welcome["data"]["connection"]
                await client.subscribed("room.7")
                self.assertEqual(backend.line(), "occupied room.7")
                await client.request(type="publish", id=1, channel="room.7", data={"text": "hello"})
                self.assertEqual((await client.envelope(type="ack", id=1))["channel"], "room.7")
                long = {"text": "x" * 501}
                await client.request(type="publish", id=2, channel="room.7", data=long)
                error = await client.envelope(type="error", id=2)
                self.assertEqual(error["data"]["code"], "forbidden")
                self.assertEqual(error["data"]["message"], "at most 500 characters")
            told = {backend.line(), backend.line()}
            self.assertEqual(told, {"vacated room.7", f"disconnect {connection}"})

    async def test_they_do_not_answer_others(self):
        async for name, backend in self.backends():
            other = "the secret of somebody else"
            server = await asyncio.to_thread(self.started, f"{name}-other", backend, other)
            async with PythonPeer(f"{server.ws}/ws") as client:
                error = await client.envelope(type="error")
                self.assertEqual(error["data"]["code"], "backend_unavailable")


class Documents(unittest.TestCase):
    """What docs/hooks.md shows is what is tested here."""

    def test_examples_stand_there_as_they_are(self):
        text = (ROOT / "docs/hooks.md").read_text(encoding="utf-8")
        shown = re.findall(r"<!-- (examples/hooks/[\w.-]+) -->\n```\w+\n(.*?)```", text, re.DOTALL)
        self.assertEqual({name for name, _ in shown},
                         {f"examples/hooks/{file.name}" for file in EXAMPLES.iterdir()})
        for name, code in shown:
            self.assertEqual(code, (ROOT / name).read_text(encoding="utf-8"), name)


if __name__ == "__main__":
    unittest.main()
