from __future__ import annotations

import http.server
import threading

from dreamsmk.tasks.training.frame.quiet import quiet_libraries


def test_no_library_tells_the_hub_what_is_trained(monkeypatch):
    from huggingface_hub import constants
    from huggingface_hub.utils import send_telemetry

    asked: list[str] = []

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        with quiet_libraries():
            is_silent = constants.HF_HUB_DISABLE_TELEMETRY
            send_telemetry("trainer")
        assert is_silent
        assert not constants.HF_HUB_DISABLE_TELEMETRY
        server.shutdown()
    assert asked == []
