"""Whether the web process answers: exit 0 if it does, 1 with a reason if not.

Asks as a proxy in front of it would: by a host name that it serves, and over what it takes for TLS.
"""

import http.client
import os
import sys

PORT = 8000
TIMEOUT_SECONDS = 4


def main() -> None:
    host = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".")
    if host in ("", "*"):
        host = "localhost"
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(
            "GET", "/health/live", headers={"Host": host, "X-Forwarded-Proto": "https"}
        )
        status = connection.getresponse().status
    except OSError as error:
        sys.exit(f"no answer on port {PORT}: {error}")
    if status != http.client.OK:
        sys.exit(f"/health/live answers {status}")


if __name__ == "__main__":
    main()
