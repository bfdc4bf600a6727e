import base64, hashlib, hmac, json, os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ["HOOK_SECRET"].encode()


def is_ours(headers, body):
    call, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not at.isdigit() or abs(time.time() - int(at)) > 300:
        return False
    mac = hmac.new(SECRET, f"{call}.{at}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(mac).decode()
    return hmac.compare_digest(headers.get("webhook-signature", "").encode(), expected.encode())


def decide(question):
    data = question.get("data")
    if question["event"] == "publish" and isinstance(data, dict) and len(data.get("text", "")) > 500:
        return {"allow": False, "message": "at most 500 characters"}
    return {"allow": True}


class Hooks(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not is_ours(self.headers, body):
            return self.answer(401, b"")
        call = json.loads(body)
        for event in call.get("events", []):
            print(event["event"], event.get("channel") or event.get("connection"), flush=True)
        self.answer(200, json.dumps({} if "events" in call else decide(call)).encode())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", 8080))), Hooks)
print("listening", flush=True)
server.serve_forever()
