"""Clients that are not ours, behind one face: `NodePeer` (Node `ws`, in a process of its own) and
`PythonPeer` (Python `websockets`), and curl as a function."""

import asyncio
import base64
import json
import pathlib

import websockets

DEADLINE = 15
HERE = pathlib.Path(__file__).resolve().parent


class Peer:
    """What both have: envelopes over text messages. Messages that a test does not wait for are
    skipped by `envelope`, never by `message`."""

    async def request(self, **fields):
        await self.send(json.dumps(fields))

    async def envelope(self, **wanted):
        """The next envelope whose fields have these values."""
        while True:
            text = await self.message()
            assert isinstance(text, str), f"a binary message among envelopes: {text!r}"
            envelope = json.loads(text)
            if all(envelope.get(name) == value for name, value in wanted.items()):
                return envelope

    async def subscribed(self, channel):
        await self.request(type="subscribe", id="s", channel=channel)
        return await self.envelope(type="ack", id="s", channel=channel)

    async def __aenter__(self):
        await asyncio.wait_for(self.open(), DEADLINE)
        return self

    async def __aexit__(self, *error):
        await asyncio.wait_for(self.shut(), DEADLINE)


class PythonPeer(Peer):
    def __init__(self, url, plain=False, protocol=None):
        self.url = url
        self.options = {
            "compression": None if plain else "deflate",
            "subprotocols": [protocol] if protocol else None,
            "proxy": None,
            "ping_interval": None,
        }

    async def open(self):
        self.socket = await websockets.connect(self.url, **self.options)
        self.protocol = self.socket.subprotocol or ""
        self.extensions = [extension.name for extension in self.socket.protocol.extensions]

    async def send(self, message):
        await self.socket.send(message)

    async def message(self):
        return await asyncio.wait_for(self.socket.recv(), DEADLINE)

    async def ping(self, text):
        await asyncio.wait_for(await self.socket.ping(text), DEADLINE)

    async def close(self, code, reason):
        await self.socket.close(code, reason)
        return self.socket.close_code, self.socket.close_reason

    async def closed(self):
        await asyncio.wait_for(self.socket.wait_closed(), DEADLINE)
        return self.socket.close_code, self.socket.close_reason

    async def shut(self):
        await self.socket.close()


class NodePeer(Peer):
    def __init__(self, url, plain=False, protocol=None):
        self.arguments = [url]
        self.arguments += ["--plain"] if plain else []
        self.arguments += ["--protocol", protocol] if protocol else []

    async def open(self):
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            "node", str(HERE / "peer.mjs"), *self.arguments, stdin=pipe, stdout=pipe, limit=1 << 24)
        opened = await self._event("open")
        self.protocol = opened["protocol"]
        self.extensions = [opened["extensions"]] if opened["extensions"] else []

    async def _event(self, name):
        """The next event, which must be of this name: order is part of the test."""
        line = await asyncio.wait_for(self.process.stdout.readline(), DEADLINE)
        assert line, f"the Node peer ended while '{name}' was awaited"
        event = json.loads(line)
        assert event["event"] == name, f"'{name}' was awaited, but this came: {event}"
        return event

    async def _do(self, **command):
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        await self.process.stdin.drain()

    async def send(self, message):
        if isinstance(message, str):
            await self._do(do="text", text=message)
        else:
            await self._do(do="binary", binary=base64.b64encode(message).decode())

    async def message(self):
        event = await self._event("message")
        return event["text"] if "text" in event else base64.b64decode(event["binary"])

    async def ping(self, text):
        await self._do(do="ping", text=text)
        pong = await self._event("pong")
        assert pong["text"] == text, pong

    async def close(self, code, reason):
        await self._do(do="close", code=code, reason=reason)
        return await self.closed()

    async def closed(self):
        event = await self._event("close")
        return event["code"], event["reason"]

    async def shut(self):
        if self.process.returncode is None:
            try:
                await self._do(do="close", code=1000, reason="")
            except ConnectionError:
                pass
        await self.process.communicate()


async def curl(url, body=None, *options):
    """Status and text of an answer; a body makes it a POST."""
    command = ["curl", "-sS", "--max-time", str(DEADLINE), "-w", "\n%{http_code}", *options, url]
    if body is not None:
        command += ["--data-binary", "@-"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    out, error = await process.communicate(body.encode() if isinstance(body, str) else body)
    assert process.returncode == 0, f"{' '.join(command)}: {error.decode()}"
    text, status = out.decode().rsplit("\n", 1)
    return int(status), text
