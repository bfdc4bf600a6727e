"""Issues tokens for Fanwire with nothing but Python. Your backend calls `token_for` where it knows
who asks: in an endpoint behind its own login. By hand:

    FANWIRE_JWT_KEYS=hs256:... python3 issue.py ann 'room.*'
"""

import base64
import hashlib
import hmac
import json
import os
import re
import sys
import time


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def token_for(user, subscribe=(), publish=(), seconds=3600, **more):
    """A token for this user, good for an hour: which channels to hear, which to publish to."""
    found = re.match(r"hs256:([^,@]+)", os.environ.get("FANWIRE_JWT_KEYS", ""))
    if not found:
        raise ValueError("FANWIRE_JWT_KEYS has no secret that begins with hs256:")
    now = int(time.time())
    claims = {"sub": user, "iat": now, "exp": now + seconds,
              "subscribe": list(subscribe), "publish": list(publish), **more}
    parts = [encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    message = b".".join(parts)
    signature = hmac.digest(found[1].encode(), message, hashlib.sha256)
    return b".".join([message, encode(signature)]).decode()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python3 issue.py USER [CHANNEL...]")
    print(token_for(sys.argv[1], subscribe=sys.argv[2:], publish=sys.argv[2:]))
