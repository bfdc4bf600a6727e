"""The HTTP API against its own description, by schemathesis: in open mode, and with API keys.

The description is the one that the server serves. What is tried is the same each time; what
schemathesis looks for, and the exceptions, stand in schemathesis.toml."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).parent
SCHEMATHESIS = pathlib.Path(sys.executable).with_name("schemathesis")
LIMIT_S = 150
LEAST = 20
SECRET = "a-secret-for-tests-only"


def start(flags):
    """The server on a port of its own, and its address."""
    command = [os.environ["FANWIRE"], "--listen", "127.0.0.1:0", "--log-level", "warn", *flags]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={})
    for line in server.stdout:
        if "listening  http://" in line:
            return server, "http://" + line.split("listening  http://")[1].split()[0]
    raise SystemExit(f"it did not start: {server.wait()}")


def description(url):
    with urllib.request.urlopen(url + "/openapi.json", timeout=10) as response:
        assert response.headers["Content-Type"] == "application/json"
        return json.load(response)


def without_security(api):
    """The description as it is true for an open server, which asks nobody for a key."""
    for operations in api["paths"].values():
        for operation in operations.values():
            operation.pop("security")
    return api


def counter(url, name):
    """One of the server's counters, asked for with the key."""
    request = urllib.request.Request(url + "/metrics")
    request.add_header("Authorization", f"Bearer {SECRET}")
    with urllib.request.urlopen(request, timeout=10) as response:
        lines = response.read().decode().splitlines()
    values = [line.rpartition(" ")[2] for line in lines if line.startswith(name + " ")]
    assert values, f"no {name}"
    return int(values[0])


def run(mode, flags, auth, change, only=()):
    server, url = start(flags)
    try:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            (folder / "openapi.json").write_text(json.dumps(change(description(url))))
            (folder / "config.toml").write_text((HERE / "schemathesis.toml").read_text() + auth)
            command = [SCHEMATHESIS, "--config-file", "config.toml", "run", "openapi.json"]
            command += ["--url", url, "--no-color", "--continue-on-failure", *only]
            print(f"== {mode}", flush=True)
            code = subprocess.run(command, cwd=folder, timeout=LIMIT_S).returncode
        assert server.poll() is None, f"the server ended: {server.returncode}"
        # That nothing was accepted would go unnoticed: every refusal is in the description.
        published = [] if "--exclude-path-regex" in only else ["fanwire_publications_total"]
        for name in ['fanwire_http_responses_total{status="2xx"}', *published]:
            count = counter(url, name)
            print(f"{name} {count}", flush=True)
            assert count >= LEAST, f"{name} is {count}: does the key work?"
        return code
    finally:
        server.kill()
        server.wait()


def main():
    key = f"test:{SECRET}:admin"
    with_key = f'\n[auth.openapi.key]\nbearer = "{SECRET}"\n'
    # With them there are users.
    token_keys = ["--jwt-keys", "hs256:a secret for tokens of 32 bytes or more"]
    codes = [run("open mode", [], "", without_security)]
    # A server hears ten bad keys of an address and no more, so each has a part of the operations.
    publishing, reading = "^/(broadcast|publish|users)", "^/channels"
    for part, only in [
        ("publishing, users", ["--include-path-regex", publishing]),
        ("channels", ["--include-path-regex", reading]),
        ("others", ["--exclude-path-regex", f"{publishing}|{reading}"]),
    ]:
        flags = ["--api-keys", key, *token_keys]
        codes.append(run(f"with keys: {part}", flags, with_key, lambda api: api, only))
    # A run that a signal has ended has a code below 0.
    sys.exit(1 if any(codes) else 0)


main()
