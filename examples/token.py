#!/usr/bin/env python3
"""Tokens of an example's issuer, whose key `make example` made in target/example/NAME.

token.py jwks NAME            its public key, as a JWK Set
token.py token NAME CLAIMS    a token for ten minutes; CLAIMS is JSON, laid over those of a good one
"""
import base64
import json
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, stdout=subprocess.PIPE, check=True).stdout


def issuer(name):
    """The issuer that the example's tiers name."""
    tiers = (ROOT / "examples" / name / "tiers.yaml").read_text()
    found = re.search(r'issuer: "([^"]+)", audiences: \[([\w-]+)\]', tiers)
    if not found:
        sys.exit(f"the tiers of {name} name no issuer")
    return found.groups()


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("jwks", "token"):
        sys.exit(__doc__)
    what, name = sys.argv[1:3]
    key = ROOT / "target" / "example" / name / "key.pem"
    if not key.exists():
        sys.exit(f"there is no {key}: make example NAME={name} makes it")
    if what == "jwks":
        modulus = openssl("rsa", "-in", str(key), "-noout", "-modulus").decode().strip().removeprefix("Modulus=")
        public = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": name, "n": encode(bytes.fromhex(modulus)), "e": "AQAB"}
        print(json.dumps({"keys": [public]}))
        return
    now = int(time.time())
    issued_by, audience = issuer(name)
    claims = {"iss": issued_by, "aud": audience, "sub": "somebody", "iat": now, "exp": now + 600}
    claims.update(json.loads(sys.argv[3] if len(sys.argv) > 3 else "{}"))
    head = {"alg": "RS256", "typ": "JWT", "kid": name}
    text = ".".join(encode(json.dumps(part).encode()) for part in (head, claims))
    print(f"{text}.{encode(openssl('dgst', '-sha256', '-sign', str(key), data=text.encode()))}")


if __name__ == "__main__":
    main()
