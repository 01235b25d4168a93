"""Runs the real supervisor over stand-ins for the service: a web process that is ready, four that only wait."""

import os
import sys

from helpline.embedded import supervisor

WEB = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'{}')
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""
PREPARE = """
from helpline.foundation.provision import prepare_database
from helpline.settings import load_settings
s = load_settings()
prepare_database(
    s.database_admin_url, s.database_owner_url, s.database_url, s.database_worker_url, s.database_relay_url,
    s.database_search_url,
)
"""
WAIT = "import subprocess, time; subprocess.run(['sleep', '300'])"


def commands(settings, _scratch):
    waiting = {name: ["python", "-c", WAIT] for name in ("relay", "search", "worker", "beat")}
    return {**waiting, "web": ["python", "-c", WEB, str(settings.port)]}


if __name__ == "__main__":
    supervisor.commands = commands
    supervisor.fingerprint = lambda *_, **__: "the code as it was"  # somebody may be editing it while this runs
    supervisor.PREPARE = ["python", "-c", "" if "DATABASE_URL" in os.environ else PREPARE]
    sys.exit(supervisor.main())
