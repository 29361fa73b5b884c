"""A stand-in for a parcel carrier: see README.md."""
