"""The HTTP face of library engines: llama.cpp's routes, shapes and framing.

``host`` starts an engine, ``listener`` owns the port, ``app`` checks the key and finds the route,
``requests`` reads bodies, ``answers`` writes them, ``generation`` runs a request
in a slot. The engine behind is any ``TextEngine``.
"""
