"""The routes by which hives belong to a colony: rows of ``wire.table``, all of step 5."""

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
