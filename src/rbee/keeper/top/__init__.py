"""``rbee top``: the colony live in a terminal.

``rbee.client.state`` keeps the queen's tables up to date; ``tabs`` (pure) makes lines of
them, ``lines`` (pure) filters, sorts and fits these to the terminal's width; ``table``
draws them, ``app`` holds it together, ``screens`` are what opens above it, ``acting`` is
what a key does to the colony. The rule: only the sixteen colours of the terminal's own
palette, and words in its own foreground, so that it reads on dark and on light ones.
"""
