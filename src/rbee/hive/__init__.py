"""The room on every machine: its devices, models and worker processes."""
