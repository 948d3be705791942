"""The links that hives opened to this queen: beats in, streams out.

``door`` takes a WebSocket, ``registry`` knows who is linked and opens streams,
``link`` is one hive's session, ``http`` speaks to a hive's own API over streams.
"""
