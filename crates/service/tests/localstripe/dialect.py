"""Stands before localstripe and speaks the API version that we pin.

localstripe (which we did not write) keeps the state: payments, captures, refunds, events, webhooks. Its
objects are those of 2017. What they lack is added here from what they say, and nothing else: amounts
from the charge, the charge itself in place of its id, empty lists where it knows no such thing.
"""

import http.server
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

UPSTREAM, PORT = sys.argv[1], int(sys.argv[2])


def whole(thing):
    """An object as the pinned version has it."""
    if isinstance(thing, list):
        return [whole(one) for one in thing]
    if not isinstance(thing, dict):
        return thing
    thing = {name: whole(value) for name, value in thing.items()}
    if thing.get("object") == "payment_intent":
        charges = thing.get("charges", {}).get("data", [])
        charge = charges[0] if charges else None
        taken = sum(one["amount"] for one in charges if one["captured"] and one["status"] == "succeeded")
        thing.update(
            amount_received=taken,
            amount_capturable=thing["amount"] if thing["status"] == "requires_capture" else 0,
            review=None,
            latest_charge=charge,
        )
    if thing.get("object") == "charge":
        thing.update(
            disputed=False,
            amount_captured=thing["amount"] if thing["captured"] else 0,
            payment_method_details={"type": "card", "card": {"capture_before": None}},
        )
    return thing


class Dialect(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body=None):
        path, _, query = self.path.partition("?")
        if path in ("/v1/disputes", "/v1/radar/early_fraud_warnings"):
            return self.say(200, {"object": "list", "data": [], "has_more": False, "url": path})
        if path == "/v1/refunds" and body is not None:
            form = urllib.parse.parse_qsl(body.decode())
            # It knows the reason by no name.
            body = urllib.parse.urlencode([(name, value) for name, value in form if name != "reason"]).encode()
        if path == "/v1/refunds" and body is None:
            wanted = dict(urllib.parse.parse_qsl(query)).get("payment_intent")
            status, listed = self.ask("/v1/refunds?limit=100", None)
            listed["data"] = [one for one in listed["data"] if wanted in (None, one["payment_intent"])]
            return self.say(status, listed)
        # Its lists know no bounds of time.
        kept = [(name, value) for name, value in urllib.parse.parse_qsl(query)
                if not name.startswith(("created", "types", "delivery_success"))]
        return self.say(*self.ask(path + "?" + urllib.parse.urlencode(kept), body))

    def ask(self, path, body):
        headers = {name: value for name, value in self.headers.items()
                   if name.lower() in ("authorization", "content-type", "idempotency-key")}
        request = urllib.request.Request(UPSTREAM + path, data=body, headers=headers, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, whole(json.load(response))
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")

    def say(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer()

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Dialect).serve_forever()
