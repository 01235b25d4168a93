"""Whether a part of the service answers, as `/readyz` tells: for the supervisor and for containers' health checks.

`python -m helpline.embedded.health ADDRESS [PART]` ends with 0 when it does. The standard library alone: it runs often.
"""

import json
import sys
import urllib.error
import urllib.request


def missing_parts(address: str) -> list[str]:
    """The parts that don't answer; empty: ready. `["web"]` when the web process itself doesn't; `["keys"]`: locked."""
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=5):  # noqa: S310 - our own address
            return []
    except urllib.error.HTTPError as error:
        try:
            told = json.load(error)
            return (
                ["keys"]
                if told.get("status") == "closed"
                else [n for n, answers in told["parts"].items() if not answers]
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return ["web"]
    except OSError:
        return ["web"]


def main(address: str, part: str | None = None) -> int:
    """0 when all parts answer, or when the named one does."""
    missing = missing_parts(address)
    if part is None:
        return 1 if missing else 0
    return 1 if {part, "web"} & set(missing) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
