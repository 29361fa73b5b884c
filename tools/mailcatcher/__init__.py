"""A mail server to develop and test a shop against: it delivers nothing, and shows what it got."""
