"""The routes by which hives belong to a colony: rows of ``wire.table``."""

HIVES = [
    ("GET", "/v1/hive/ca"),
    ("POST", "/v1/hive/join"),
    ("POST", "/v1/hive/renew"),
    ("GET", "/v1/hive/link"),
    ("GET", "/v1/hives"),
    ("POST", "/v1/hives/{id}/revoke"),
    ("GET", "/v1/join-requests"),
    ("POST", "/v1/join-requests/{id}/approve"),
    ("POST", "/v1/join-requests/{id}/reject"),
    ("GET", "/v1/join-tokens"),
    ("POST", "/v1/join-tokens"),
    ("DELETE", "/v1/join-tokens/{id}"),
]

CARE = [
    ("GET", "/v1/hive-install"),
    ("POST", "/v1/hives/{id}/stop"),
    ("DELETE", "/v1/hives/{id}"),
]
"""Looking after hives from the console."""
