"""Runs inside a test's own machine: Postfix, a filter, a relay, and mail from a stranger.

`python -m tests.services.mail_flow lmtp|smtp` starts Postfix with the configuration of `/etc`,
plays pmg-smtp-filter on its ports, speaking that protocol, and the relay on port 2525, sends
mail, and prints as JSON what came of it.
"""

import json
import smtplib
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

STRANGER, GATEWAY = "203.0.113.5", "203.0.113.1"
Deliver = Callable[[str, list[str], bytes], None]


class Receiver(socketserver.StreamRequestHandler):
    """A server of SMTP or LMTP that takes everything, and hands it to `deliver`."""

    deliver: Deliver
    protocol: str

    def handle(self) -> None:
        self.say("220 ready")
        sender, recipients = "", list[str]()
        while line := self.rfile.readline():
            word = line.decode(errors="replace").strip()
            verb = word.upper()
            if verb.startswith(("EHLO", "LHLO")):
                self.say("250-ready\r\n250-XFORWARD NAME ADDR PROTO HELO\r\n250 8BITMIME")
            elif verb.startswith("MAIL"):
                sender, recipients = word.partition("<")[2].partition(">")[0], []
                self.say("250 ok")
            elif verb.startswith("RCPT"):
                recipients.append(word.partition("<")[2].partition(">")[0])
                self.say("250 ok")
            elif verb == "DATA":
                self.say("354 go on")
                data = self.message()
                type(self).deliver(sender, recipients, data)
                for _ in recipients if self.protocol == "lmtp" else [0]:
                    self.say("250 taken")
            elif verb == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def message(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


def serve(port: int, protocol: str, deliver: Deliver) -> None:
    class Handler(Receiver):
        pass

    Handler.deliver, Handler.protocol = staticmethod(deliver), protocol
    server = socketserver.ThreadingTCPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


class Flow:
    """What was seen on the way."""

    def __init__(self) -> None:
        self.filtered: list[list[Any]] = []
        self.relayed: list[list[Any]] = []

    def filter(self, port: int) -> Deliver:
        def deliver(sender: str, recipients: list[str], data: bytes) -> None:
            self.filtered.append([port, sender, recipients])
            with smtplib.SMTP("127.0.0.1", 10025, timeout=20) as back:
                back.sendmail(sender, recipients, b"X-Filtered: yes\r\n" + data)

        return deliver

    def relay(self, sender: str, recipients: list[str], data: bytes) -> None:
        self.relayed.append([sender, recipients, b"X-Filtered: yes" in data])


def wait_for(port: int, address: str = "127.0.0.1") -> None:
    end = time.monotonic() + 20
    while True:
        try:
            socket.create_connection((address, port), 1).close()
        except OSError:
            assert time.monotonic() < end, f"nobody listens on port {port}"
            time.sleep(0.05)
        else:
            return


def send(recipient: str, *, port: int = 25, source: str = STRANGER, to: str = GATEWAY) -> list[Any]:
    """The reply to it: status and words."""
    with smtplib.SMTP(to, port, timeout=30, source_address=(source, 0)) as smtp:
        smtp.ehlo("stranger.example.net")
        features = sorted(smtp.esmtp_features)
        smtp.mail("somebody@example.net")
        code, words = smtp.rcpt(recipient)
        if code == 250:
            code, words = smtp.data(b"Subject: a test\r\n\r\nhello\r\n")
        return [code, words.decode(errors="replace"), features]


def started_with_tls() -> str:
    """What the certificate is made out to; empty without STARTTLS."""
    with smtplib.SMTP(GATEWAY, 25, timeout=30, source_address=(STRANGER, 0)) as smtp:
        smtp.ehlo("stranger.example.net")
        if "starttls" not in smtp.esmtp_features:
            return ""
        smtp.starttls()
        assert isinstance(smtp.sock, ssl.SSLSocket)
        der = smtp.sock.getpeercert(binary_form=True)
        shown = ["openssl", "x509", "-inform", "DER", "-noout", "-subject", "-nameopt", "RFC2253"]
        return str(
            subprocess.run(shown, input=der, capture_output=True, check=True)
            .stdout.decode()
            .strip()
        )


def main(protocol: str) -> None:
    flow = Flow()
    for port in (10023, 10024):
        serve(port, protocol, flow.filter(port))
    serve(2525, "smtp", flow.relay)
    check = subprocess.run(["postfix", "check"], capture_output=True, text=True, check=False)
    subprocess.run(["postfix", "start"], capture_output=True, check=True)
    wait_for(25)
    said: dict[str, Any] = {
        "check": check.stdout + check.stderr,
        "ours": send("someone@example.com"),
        "other": send("someone@example.org"),
        "trusted": send("someone@example.org", port=26, source="127.0.0.1", to="127.0.0.1"),
        "stranger on the trusted port": send("someone@example.org", port=26),
        "tls": started_with_tls(),
    }
    end = time.monotonic() + 20
    while len(flow.relayed) < 1 and time.monotonic() < end:
        time.sleep(0.05)
    said |= {"filtered": flow.filtered, "relayed": flow.relayed}
    subprocess.run(["postfix", "stop"], capture_output=True, check=True)
    print(json.dumps(said))  # noqa: T201 # to the test


if __name__ == "__main__":
    main(sys.argv[1])
