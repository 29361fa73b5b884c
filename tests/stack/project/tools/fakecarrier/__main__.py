"""A stand-in for the stand-in: it is told what it needs, and waits for the end."""

import os
import signal
import sys
import time

if not os.environ["CARRIER_WEBHOOK_SECRET"]:
    sys.exit("no secret to sign with")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True:
    time.sleep(1)
