"""Issues tokens for Fanwire with a private key, by the library PyJWT (pip install 'pyjwt[crypto]'):
the server has the public key only, and can verify tokens but not make any. By hand:

    python3 issue_es256.py private.pem fanwire ann 'room.*'
"""

import pathlib
import sys
import time

import jwt


def token_for(user, private_key, audience, subscribe=(), publish=()):
    """A token for this user, good for an hour, for the server whose jwt_audience this is."""
    now = int(time.time())
    claims = {"sub": user, "aud": audience, "iat": now, "exp": now + 3600,
              "subscribe": list(subscribe), "publish": list(publish)}
    return jwt.encode(claims, private_key, algorithm="ES256")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit("usage: python3 issue_es256.py FILE AUDIENCE USER [CHANNEL...]")
    _, file, audience, user, *channels = sys.argv
    key = pathlib.Path(file).read_text(encoding="utf-8")
    print(token_for(user, key, audience, subscribe=channels, publish=channels))
