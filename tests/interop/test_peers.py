"""Peers that are not ours against the real server: Node `ws`, Python `websockets` and curl, with
and without compression. FANWIRE names the binary."""

import contextlib
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from peers import NodePeer, PythonPeer, curl  # noqa: E402
from support.node_server import NodeServer  # noqa: E402

SERVER = NodeServer(os.environ["FANWIRE"], ROOT / "target/interop-server.log")
WS = f"{SERVER.ws}/ws"
PEERS = [NodePeer, PythonPeer]
PLAIN = [False, True]
numbers = itertools.count(1)


def fresh_channel():
    """A channel that no other test uses."""
    return f"interop.{next(numbers)}"


class EachPeer(unittest.IsolatedAsyncioTestCase):
    """What one client sees, for each library, compressed and not."""

    def combinations(self):
        for peer, plain in itertools.product(PEERS, PLAIN):
            yield self.subTest(peer=peer.__name__, plain=plain), peer, plain

    async def test_welcome(self):
        for sub, peer, plain in self.combinations():
            with sub:
                async with peer(WS, plain) as client:
                    welcome = json.loads(await client.message())
                    self.assertEqual(welcome["type"], "connection")
                    self.assertEqual(welcome["data"]["protocol"], 1)
                    self.assertIsInstance(welcome["timestamp"], int)
                    agreed = any("permessage-deflate" in name for name in client.extensions)
                    self.assertEqual(agreed, not plain)

    async def test_subprotocol(self):
        for sub, peer, plain in self.combinations():
            with sub:
                async with peer(WS, plain, protocol="fanwire.v1") as client:
                    self.assertEqual(client.protocol, "fanwire.v1")
                    await client.envelope(type="connection")

    async def test_subscribe_publish_receive(self):
        # Long enough to be worth compressing, and with what JSON has in store.
        data = {"text": "ä☃😀 <b>&\"\\\u0000" + "again " * 400, "number": 1.5e300, "none": None}
        for sub, peer, plain in self.combinations():
            with sub:
                channel = fresh_channel()
                async with peer(WS, plain) as client:
                    await client.subscribed(channel)
                    await client.request(type="publish", id=7, channel=channel, data=data)
                    got = {}
                    while len(got) < 2:  # delivery may come before or after the answer
                        envelope = await client.envelope(channel=channel)
                        got[envelope["type"]] = envelope
                    self.assertEqual(got["message"]["data"], data)
                    self.assertEqual(got["message"]["id"], got["ack"]["data"]["id"])
                    self.assertEqual(got["ack"]["id"], 7)

    async def test_unsubscribe(self):
        for sub, peer, plain in self.combinations():
            with sub:
                channel = fresh_channel()
                async with peer(WS, plain) as client:
                    await client.subscribed(channel)
                    await client.request(type="unsubscribe", id=2, channel=channel)
                    await client.envelope(type="ack", id=2, channel=channel)
                    await curl(f"{SERVER.http}/channels/{channel}", '"unheard"')
                    await client.request(type="echo", id=3, data="last")
                    heard = await client.envelope()
                    while heard["type"] == "update":
                        heard = await client.envelope()
                    self.assertEqual((heard["type"], heard["data"]), ("echo", "last"))

    async def test_bad_messages_are_answered(self):
        for sub, peer, plain in self.combinations():
            with sub:
                async with peer(WS, plain) as client:
                    for message, code in [
                        ("{", "bad_json"),
                        ('{"type": "subscribe", "id": 1}', "bad_request"),
                        ('{"type": "subscribe", "channel": "a..b"}', "bad_channel"),
                        ('{"type": "nonsense"}', "unknown_type"),
                        (b"\x00\x01", "unsupported_data"),
                    ]:
                        await client.send(message)
                        error = await client.envelope(type="error")
                        self.assertEqual(error["data"]["code"], code, message)
                        self.assertIs(error["data"]["temporary"], False)
                    await client.request(type="echo", data=1)
                    await client.envelope(type="echo", data=1)

    async def test_ping(self):
        for sub, peer, plain in self.combinations():
            with sub:
                async with peer(WS, plain) as client:
                    await client.envelope(type="connection")
                    await client.ping("are you there?")
                    await client.request(type="ping", id="p")
                    await client.envelope(type="pong", id="p")

    async def test_close_codes(self):
        for sub, peer, plain in self.combinations():
            with sub:
                for code in (1000, 3000, 4999):
                    async with peer(WS, plain) as client:
                        await client.envelope(type="connection")
                        self.assertEqual((await client.close(code, "bye"))[0], code)

    async def test_too_large_is_1009(self):
        for sub, peer, plain in self.combinations():
            with sub:
                async with peer(WS, plain) as client:
                    await client.envelope(type="connection")
                    await client.request(type="echo", data="x" * (64 << 10))
                    code, reason = await client.closed()
                    self.assertEqual((code, reason.split(";")[0]), (1009, "too_large"))

    async def test_raw_channel(self):
        for sub, peer, plain in self.combinations():
            with sub:
                channel = fresh_channel()
                url = f"{SERVER.ws}/channels/{channel}"
                async with peer(url, plain) as client, peer(WS, plain) as listener:
                    await listener.subscribed(channel)
                    # Its own messages come back, bare, of the kind that they were sent in.
                    for message in ("not {JSON", bytes(range(256)) * 40):
                        await client.send(message)
                        self.assertEqual(await client.message(), message)
                    text = await listener.envelope(type="message", channel=channel)
                    self.assertEqual((text["data"], text["encoding"]), ("not {JSON", "text"))
                    binary = await listener.envelope(type="message", channel=channel)
                    self.assertEqual(binary["encoding"], "base64")
                    # And JSON comes verbatim.
                    await curl(f"{SERVER.http}/channels/{channel}", '{"a":  1.50}')
                    self.assertEqual(await client.message(), '{"a":  1.50}')

    async def test_echo(self):
        for sub, peer, plain in self.combinations():
            with sub:
                async with peer(f"{SERVER.ws}/echo", plain) as client:
                    for message in ("", "ä" * 20000, b"", bytes(range(256)) * 200):
                        await client.send(message)
                        self.assertEqual(await client.message(), message)


class Together(unittest.IsolatedAsyncioTestCase):
    """What different clients see of one another."""

    async def asyncSetUp(self):
        stack = contextlib.AsyncExitStack()
        self.addAsyncCleanup(stack.aclose)
        self.clients = [
            await stack.enter_async_context(peer(WS, plain))
            for peer, plain in itertools.product(PEERS, PLAIN)
        ]
        for client in self.clients:
            await client.envelope(type="connection")

    async def test_everyone_hears_everyone_in_one_order(self):
        channel = fresh_channel()
        for client in self.clients:
            await client.subscribed(channel)
        for client in self.clients:
            for number in range(25):
                await client.request(type="publish", channel=channel, data=number)
        total = 25 * len(self.clients)
        heard = []
        for client in self.clients:
            messages = [await client.envelope(type="message") for _ in range(total)]
            heard.append([(message["id"], message["data"]) for message in messages])
        for other in heard[1:]:
            self.assertEqual(other, heard[0])
        self.assertEqual(len({position for position, _ in heard[0]}), total)

    async def test_http_publish_reaches_both(self):
        channel = fresh_channel()
        for client in self.clients:
            await client.subscribed(channel)
        status, text = await curl(f"{SERVER.http}/channels/{channel}", '{"from": "curl"}')
        self.assertEqual(status, 200, text)
        answer = json.loads(text)
        self.assertEqual(answer["receivers"], len(self.clients))
        for client in self.clients:
            message = await client.envelope(type="message", channel=channel)
            self.assertEqual(message["data"], {"from": "curl"})
            self.assertEqual(message["id"], answer["id"])
            self.assertNotIn("from", message)

    async def test_http_broadcast_reaches_everyone(self):
        status, text = await curl(f"{SERVER.http}/broadcast", '["to", "all"]')
        self.assertEqual(status, 200, text)
        for client in self.clients:
            broadcast = await client.envelope(type="broadcast")
            self.assertEqual(broadcast["data"], ["to", "all"])
            self.assertEqual(broadcast["id"], json.loads(text)["id"])

    async def test_binary_by_http(self):
        channel = fresh_channel()
        payload = bytes(range(256))
        async with NodePeer(f"{SERVER.ws}/channels/{channel}") as raw:
            # A raw channel has no words to say that one is subscribed: the first echo says it.
            await raw.send("here")
            self.assertEqual(await raw.message(), "here")
            octets = ("-H", "Content-Type: application/octet-stream")
            status, text = await curl(f"{SERVER.http}/channels/{channel}", payload, *octets)
            self.assertEqual(status, 200, text)
            self.assertEqual(await raw.message(), payload)

    async def test_resume_with_since(self):
        channel = fresh_channel()
        ids = []
        for number in range(5):
            _, text = await curl(f"{SERVER.http}/channels/{channel}", str(number))
            ids.append(json.loads(text)["id"])
        for client in self.clients:
            await client.request(
                type="subscribe", id="r", channel=channel, data={"since": ids[1]})
            ack = await client.envelope(type="ack", id="r")
            # Nothing is lost: what came after `since` follows.
            self.assertEqual((ack["data"]["recovered"], ack["data"]["missed"]), (True, 0))
            self.assertEqual(ack["data"]["position"], ids[4])
            missed = [await client.envelope(type="message") for _ in range(3)]
            self.assertEqual([message["data"] for message in missed], [2, 3, 4])


class Http(unittest.IsolatedAsyncioTestCase):
    """What curl alone sees."""

    async def test_status_and_probes(self):
        status, text = await curl(f"{SERVER.http}/status")
        self.assertEqual(status, 200)
        self.assertGreaterEqual(json.loads(text)["connections"], 0)
        for path in ("/live", "/ready", "/metrics"):
            self.assertEqual((await curl(f"{SERVER.http}{path}"))[0], 200, path)

    async def test_refusals_are_json(self):
        for path, body, status, code in [
            ("/nowhere", None, 404, "not_found"),
            ("/broadcast", None, 405, "method_not_allowed"),
            ("/broadcast", "{", 400, "bad_json"),
            ("/channels/a..b", "1", 400, "bad_channel"),
            ("/broadcast", " " * (1 << 20) + "1", 413, "too_large"),
        ]:
            got, text = await curl(f"{SERVER.http}{path}", body)
            self.assertEqual((got, json.loads(text)["error"]["code"]), (status, code), path)

    async def test_keep_alive(self):
        url = f"{SERVER.http}/live"
        twice = ("-o", "/dev/null", "-o", "/dev/null", "-w", "\n%{num_connects}", url)
        connects, _ = await curl(url, None, *twice)
        self.assertEqual(connects, 0, "the second request had a connection of its own")

    async def test_foreign_origin(self):
        foreign = ("-H", "Origin: https://elsewhere.example")
        self.assertEqual((await curl(f"{SERVER.http}/status", None, *foreign))[0], 403)


class Documents(unittest.TestCase):
    """The example in Python of docs/connecting.md, as it stands, but for port and channel."""

    def start(self, channel):
        text = (ROOT / "docs/connecting.md").read_text(encoding="utf-8")
        program = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
        program = program.replace("ws://127.0.0.1:3003", SERVER.ws).replace("room.7", channel)
        arguments = [sys.executable, "-W", "error", "-c", program]
        pipe = subprocess.PIPE
        program = subprocess.Popen(arguments, stdout=pipe, stderr=pipe, text=True)
        for end in (program.stdout.close, program.stderr.close, program.wait, program.kill):
            self.addCleanup(end)
        return program

    def publish(self, channel, text):
        body = json.dumps({"text": text}).encode()
        urllib.request.urlopen(f"{SERVER.http}/channels/{channel}", body).close()

    def follower(self, channel, other_than=None):
        """The connection that follows the channel, once there is one."""
        for _ in range(1000):
            with urllib.request.urlopen(f"{SERVER.http}/connections?channel={channel}") as answer:
                ids = [one["connection"] for one in json.load(answer)["connections"]]
            if ids and ids[0] != other_than:
                return ids[0]
            time.sleep(0.02)
        return self.fail(f"nobody follows {channel}")

    def test_connecting(self):
        channel = fresh_channel()
        self.publish(channel, "hello from the other side")
        said = self.start(channel).communicate(timeout=30)
        self.assertEqual(said, ("hello from the other side\n", ""))

    def test_connecting_again(self):
        channel = fresh_channel()
        program = self.start(channel)
        first = self.follower(channel)
        close = f"{SERVER.http}/connections/{first}?reconnect=true"
        urllib.request.urlopen(urllib.request.Request(close, method="DELETE")).close()
        self.follower(channel, other_than=first)
        self.publish(channel, "there again")
        self.assertEqual(program.communicate(timeout=30), ("there again\n", ""))

    def test_connecting_no_more(self):
        channel = fresh_channel()
        program = self.start(channel)
        close = f"{SERVER.http}/connections/{self.follower(channel)}"
        urllib.request.urlopen(urllib.request.Request(close, method="DELETE")).close()
        self.assertEqual(program.communicate(timeout=30), ("closed: 4410 disconnected\n", ""))


if __name__ == "__main__":
    outcome = unittest.main(exit=False, verbosity=2).result
    code = SERVER.stop()
    if code != 0:
        print(f"the server ended with {code} on SIGTERM; see {SERVER.log}")
    sys.exit(0 if outcome.wasSuccessful() and code == 0 else 1)
