#!/usr/bin/env python3
"""The stand-in's stand-in: youp0m's flags and answers without Go, for machines without Docker.

`/` answers 200; `/admin/` 403 without -htpasswd, else 401 or 200. Only bcrypt hashes are read.
"""

import argparse
import base64
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import bcrypt


def read_accounts(path: str) -> dict[bytes, bytes]:
    """Return the names and hashes of an htpasswd file."""
    with open(path, "rb") as file:
        pairs = [line.strip().partition(b":") for line in file if line.strip()]
    accounts = {name: hashed for name, _, hashed in pairs}
    if not all(name and hashed.startswith(b"$2") for name, hashed in accounts.items()):
        raise ValueError(f"{path}: not lines of NAME:BCRYPT-HASH")
    return accounts


class Wall(BaseHTTPRequestHandler):
    """Answers requests; `accounts` is None where the admin pages are closed."""

    accounts: dict[bytes, bytes] | None = None

    def do_GET(self) -> None:
        if self.path == "/":
            self.answer(200, "youp0m")
        elif self.path != "/admin/":
            self.answer(404, "not found")
        elif self.accounts is None:
            self.answer(403, "the admin pages are closed: the server has no -htpasswd")
        elif self.is_allowed(self.accounts):
            self.answer(200, "youp0m, admin")
        else:
            self.answer(401, "user name and password, please")

    def is_allowed(self, accounts: dict[bytes, bytes]) -> bool:
        try:
            kind, _, encoded = self.headers.get("Authorization", "").partition(" ")
            name, _, password = base64.b64decode(encoded, validate=True).partition(b":")
            return kind == "Basic" and bcrypt.checkpw(password, accounts[name])
        except (KeyError, ValueError):  # so bcrypt 5 refuses more than 72 bytes
            return False

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="youp0m"')
        self.send_header("Content-Length", str(len(text) + 1))
        self.end_headers()
        self.wfile.write(f"{text}\n".encode())

    def log_message(self, *_: object) -> None:
        """Say nothing: the demo shows the boot log."""


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="youp0m", allow_abbrev=False)
    parser.add_argument("-bind", "--bind", default=":8080", metavar="ADDR")
    parser.add_argument("-htpasswd", "--htpasswd", metavar="FILE")
    options = parser.parse_args()
    host, _, port = options.bind.rpartition(":")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        if options.htpasswd is not None:
            Wall.accounts = read_accounts(options.htpasswd)
        server = ThreadingHTTPServer((host.strip("[]"), int(port)), Wall)
    except (OSError, ValueError) as error:
        sys.exit(f"youp0m: {error}")
    print(f"youp0m: listening on {host}:{server.server_port}", file=sys.stderr, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
