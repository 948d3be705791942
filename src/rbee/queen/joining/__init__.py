"""Who may be a hive of this colony: tokens, the queue for approval, certificates, revocation.

``books`` decides (pure) and is what stands on disk, ``waiting`` is the queue of hives
without a token, ``pace`` bounds what strangers may cost, ``office`` does it: it owns the
CA, writes the books before it hands anything out, and is asked by the gate whose
certificate still counts. ``api.joining`` is its door.
"""
