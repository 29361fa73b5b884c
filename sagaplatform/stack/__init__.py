"""The local stack: a real PostgreSQL, a real Kafka and the platform's processes, by one command.

`python -m sagaplatform.stack --help` says how; the Makefile calls it. It runs before anything is
set up, so it imports neither Django nor the apps.
"""
