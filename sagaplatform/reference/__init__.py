"""The pages of docs/reference, made from the code that they speak of: never written by hand."""
