"""The state stream: what the queen knows, as tables that many watch and each second changes.

``sources`` samples what is in memory into rows (``rows``, pure), ``happenings`` (pure) tells
what happened between two samples, ``feed`` (pure) turns tables into a snapshot and numbered
deltas, ``publisher`` gives them to whoever watches. Nothing here is on a request's way: it
looks, from its own loop, at what others keep for themselves.
"""
