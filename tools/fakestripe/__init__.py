"""A stand-in for Stripe to develop and test a shop against: `python -m tools.fakestripe --help`."""
