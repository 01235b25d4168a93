"""Runs the real supervisor over stand-ins for the service: a web process that is ready, three that only wait."""

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
WAIT = "import subprocess, time; subprocess.run(['sleep', '300'])"


def commands(settings, _scratch):
    waiting = {name: ["python", "-c", WAIT] for name in ("relay", "worker", "beat")}
    return {**waiting, "web": ["python", "-c", WEB, str(settings.port)]}


if __name__ == "__main__":
    supervisor.commands = commands
    supervisor.PREPARE = ["python", "-c", "print('prepared')"]
    sys.exit(supervisor.main())
