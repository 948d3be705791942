"""What runs inside a worker: one file per engine, each with ``serve(settings)``."""
