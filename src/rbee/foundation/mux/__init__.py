"""Many byte streams and a hive's beats over one connection. Pure: no socket, no clock.

``websocket`` cuts messages out of bytes, ``frames`` says what a message means, ``mux``
keeps the streams, their credit and what has to be said again after a reconnect.
``foundation.link`` gives it sockets.
"""
