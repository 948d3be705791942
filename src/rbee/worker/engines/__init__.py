"""What runs inside a worker: one file per engine.

A native engine serves itself (``serve(settings)``); a library engine is a
``TextEngine`` that ``worker.api`` serves.
"""
