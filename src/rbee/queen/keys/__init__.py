"""API keys of the queen: made, kept, revoked; what a key lets its holder see.

``book`` owns them, ``models`` says which models a key opens. The gate finds them in its
keyring (``foundation.http.keys``), which ``book`` fills; nothing here is on the hot path.
"""
