"""A whole colony in one process under virtual time: the queen's real parts, all else played.

``drill.run`` plays a ``Scenario`` and gives a ``Report``; the same seed gives the
same story. ``python -m rbee.testing.simulation`` does it from a shell. What is real
and what is played stands in ``queen`` and ``hives``; what must hold, in ``rules``.
"""
