"""Tokens that others issue: the examples of examples/tokens, in Node and Python, with and without a
library, against the real server and `fanwire token`. docs/authentication.md shows the same files."""

import asyncio
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from peers import NodePeer, PythonPeer, curl  # noqa: E402
from support.node_server import NodeServer  # noqa: E402

FANWIRE = os.environ["FANWIRE"]
EXAMPLES = ROOT / "examples/tokens"
PLAIN_ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def run(*command, environment=(), text=None, status=0):
    """Standard output of a command that ends with this status."""
    ended = subprocess.run([str(word) for word in command], input=text, text=True, timeout=60,
                           capture_output=True, env={**PLAIN_ENVIRONMENT, **dict(environment)})
    assert ended.returncode == status, f"{command}: {ended.returncode}, {ended.stdout}{ended.stderr}"
    return ended.stdout


def variables(text):
    """The settings that `fanwire token keys` has printed."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


class Issuers(unittest.IsolatedAsyncioTestCase):
    """Each example's token is good, and its user may do what it says and nothing else."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="fanwire-tokens-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        # A module finds its library in the folder where it stands, or above.
        shutil.copytree(EXAMPLES, cls.folder / "tokens")
        (cls.folder / "node_modules").symlink_to(HERE / "node_modules")
        cls.secret = variables(run(FANWIRE, "token", "keys"))
        pair = run(FANWIRE, "token", "keys", "--algorithm", "es256", "--to", cls.folder)
        cls.pair = variables(pair)
        cls.servers = {name: cls.start(name, found)
                       for name, found in (("hs256", cls.secret), ("es256", cls.pair))}
        cls.tokens = list(cls.issued())

    @classmethod
    def start(cls, name, settings):
        flags = [f"--{key.removeprefix('FANWIRE_').lower().replace('_', '-')}={value}"
                 for key, value in settings.items()]
        server = NodeServer(FANWIRE, ROOT / f"target/interop-tokens-{name}.log", *flags)
        cls.addClassCleanup(server.stop)
        return server

    @classmethod
    def issued(cls):
        """Each example's name, the server that it is for, and a token of it for ann."""
        examples, key = cls.folder / "tokens", cls.folder / "private.pem"
        user = ["ann", "room.*"]
        for server, settings, command in [
            ("hs256", cls.secret, ["node", examples / "issue.mjs", *user]),
            ("hs256", cls.secret, [sys.executable, examples / "issue.py", *user]),
            ("es256", cls.pair, ["node", examples / "issue-es256.mjs", key, "fanwire", *user]),
            ("es256", cls.pair, [sys.executable, examples / "issue_es256.py", key, "fanwire", *user]),
        ]:
            token = run(*command, environment=settings).strip()
            yield pathlib.Path(command[1]).name, cls.servers[server], settings, token

    def each(self):
        for name, server, settings, token in self.tokens:
            with self.subTest(example=name):
                yield server, settings, token

    def test_inspected(self):
        for _, settings, token in self.each():
            said = run(FANWIRE, "token", "inspect", environment=settings, text=token)
            self.assertIn('good: user "ann", for 3', said)
            other = variables(run(FANWIRE, "token", "keys"))
            said = run(FANWIRE, "token", "inspect", environment=other, text=token, status=1)
            self.assertIn("refused: ", said)
            self.assertIn("(unauthorized, 4102 bad_token)", said)

    async def test_logged_in(self):
        for server, settings, token in self.each():
            for peer in (NodePeer, PythonPeer):
                async with peer(f"{server.ws}/ws") as client:
                    await client.request(type="auth", id=1, data={"token": token})
                    ack = await client.envelope(type="ack", id=1)
                    self.assertEqual(ack["data"]["user"], "ann")
                    await client.subscribed("room.7")
                    await client.request(type="subscribe", id=2, channel="secret")
                    error = await client.envelope(type="error", id=2)
                    self.assertEqual(error["data"]["code"], "forbidden")
                    key = settings["FANWIRE_API_KEYS"].split(":")[1]
                    bearer = ["-H", f"Authorization: Bearer {key}"]
                    await curl(f"{server.http}/channels/room.7", '"hello"', *bearer)
                    heard = await client.envelope(type="message", channel="room.7")
                    self.assertEqual(heard["data"], "hello")

    async def test_nobody_without_a_token(self):
        for server in self.servers.values():
            async with PythonPeer(f"{server.ws}/ws") as client:
                await client.request(type="subscribe", id=1, channel="room.7")
                error = await client.envelope(type="error", id=1)
                self.assertEqual(error["data"]["code"], "unauthorized")
            status, _ = await curl(f"{server.http}/channels/room.7", '"hello"')
            self.assertEqual(status, 401)

    def test_private_keys_are_private(self):
        mode = stat.S_IMODE((self.folder / "private.pem").stat().st_mode)
        self.assertEqual(mode, 0o600)
        again = [FANWIRE, "token", "keys", "--algorithm", "es256", "--to", self.folder]
        run(*again, status=2)  # nothing is overwritten


class Documents(unittest.TestCase):
    """What docs/authentication.md shows is what is tested here."""

    @classmethod
    def setUpClass(cls):
        cls.text = (ROOT / "docs/authentication.md").read_text(encoding="utf-8")

    def test_an_open_server_is_closed_by_following_it(self):
        section = self.text.split("\n## ")[1]
        steps = re.findall(r"^ {4}(\S.*)$", section, re.MULTILINE)
        umask, keys, read, start, curl_line, make, inspect = steps[:7]
        self.assertEqual(start, "fanwire --config fanwire.toml")
        [rules] = re.findall(r"```toml\n(.*?)```", section, re.DOTALL)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="fanwire-closed-"))
        self.addCleanup(shutil.rmtree, folder)

        def shell(*lines, status=0):
            script = "\n".join([f'cd {folder}; fanwire() {{ "{FANWIRE}" "$@"; }}', *lines])
            return run("bash", "-ec", script, status=status)

        shell(umask, keys)
        self.assertEqual(stat.S_IMODE((folder / "fanwire.env").stat().st_mode), 0o600)
        (folder / "fanwire.toml").write_text(rules)
        launcher = folder / "start"
        command = start.replace("fanwire", FANWIRE, 1)
        launcher.write_text(f'#!/bin/bash\ncd {folder}; {read}\nexec {command} "$@"\n')
        launcher.chmod(0o700)
        server = NodeServer(launcher, ROOT / "target/interop-tokens-closed.log")
        self.addCleanup(server.stop)
        said = server.log.read_text()
        self.assertIn("1 key; clients need tokens", said)
        self.assertIn("It says `1 key; clients need tokens`", section)
        answer = shell(curl_line.replace(":3003", f":{server.port}"))
        self.assertIn("HTTP/1.1 401 ", answer)
        said = shell(read, make, inspect)
        self.assertIn('good: user "ann", for 3', said)
        asyncio.run(self.speak(server, (folder / "token.txt").read_text().strip()))

    async def speak(self, server, token):
        """What the token names may be done, and nothing else."""
        async with PythonPeer(f"{server.ws}/ws") as client:
            await client.request(type="auth", id=1, data={"token": token})
            await client.envelope(type="ack", id=1)
            await client.subscribed("room.8")
            await client.request(type="publish", id=2, channel="room.7", data="hello")
            await client.envelope(type="ack", id=2)
            for number, channel in enumerate(["room.8", "other"], start=3):
                await client.request(type="publish", id=number, channel=channel, data="hello")
                error = await client.envelope(type="error", id=number)
                self.assertEqual(error["data"]["code"], "forbidden")

    def test_examples_stand_there_as_they_are(self):
        shown = re.findall(r"<!-- (examples/tokens/[\w.-]+) -->\n```\w+\n(.*?)```", self.text,
                           re.DOTALL)
        self.assertEqual({name for name, _ in shown},
                         {f"examples/tokens/{file.name}" for file in EXAMPLES.iterdir()})
        for name, code in shown:
            self.assertEqual(code, (ROOT / name).read_text(encoding="utf-8"), name)


if __name__ == "__main__":
    unittest.main()
