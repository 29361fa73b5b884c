"""The second factor of staff: codes of an authenticator (TOTP), and recovery codes.

A login is a password, then a code; a password alone opens nothing. `devices` has the rules,
`views` the pages, `waiting` remembers who gave a password and still owes a code.
"""
