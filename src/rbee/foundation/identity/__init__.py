"""Who is who between machines: keys, the colony's CA, certificates, join tokens.

The queen has a CA of her own; each joined hive has a key that never leaves its
machine and a certificate that names it (``rbee://hive/ID``). Everything in here is
made of values and files: no sockets and no clock of its own. ``queen.joining`` issues with
it, ``hive.joining`` joins with it, ``foundation.http.tls`` makes TLS contexts of its
files and asks ``peers.peer_of`` who is at the other end.
"""
