"""Which way a request takes to a worker: on this machine, direct, or through its hive's link.

``choice`` decides (pure), ``table`` remembers and carries out, ``dialling`` opens
connections, ``tunnels`` says what is wanted of the links. The registry asks ``table``
whether a worker can be reached, the data plane's pool asks it for connections.
"""
