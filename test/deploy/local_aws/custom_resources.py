"""Custom resources: an event for the function, and the answer that it puts to the event's ResponseURL."""

import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from moto.awslambda.utils import get_backend

ANSWER_SECONDS = 600
_answers: dict[str, dict[str, Any]] = {}
_arrived = threading.Condition()


class _Mailbox(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        answer = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with _arrived:
            _answers[self.path.strip("/")] = answer
            _arrived.notify_all()
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


_mailbox = ThreadingHTTPServer(("127.0.0.1", 0), _Mailbox)
threading.Thread(target=_mailbox.serve_forever, daemon=True).start()


def mailbox_port() -> int:
    return _mailbox.server_port


def ask(event: dict[str, Any], region: str) -> dict[str, Any]:
    """Runs the function and returns its answer; an error with its reason where it failed or never answered."""
    request, token = str(uuid.uuid4()), event["ResourceProperties"]["ServiceToken"]
    url = f"http://127.0.0.1:{_mailbox.server_port}/{request}"
    function = get_backend(token.split(":")[4], region).get_function(token)
    payload, failed, _ = function._invoke_lambda({**event, "RequestId": request, "ServiceToken": token, "ResponseURL": url})
    with _arrived:
        if failed and request not in _answers:
            raise RuntimeError(f"the function of the custom resource failed: {payload}")
        if not _arrived.wait_for(lambda: request in _answers, ANSWER_SECONDS):
            raise RuntimeError("the function of the custom resource has not answered")
        answer = _answers.pop(request)
    if answer["Status"] != "SUCCESS":
        raise RuntimeError(f"Received response status [FAILED] from custom resource. Message returned: {answer.get('Reason')}")
    return answer
