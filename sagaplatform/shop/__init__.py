"""The demonstration shop: real baskets, bought through the API of a running platform."""
