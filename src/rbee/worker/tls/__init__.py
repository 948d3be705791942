"""The worker's door for a queen on another machine: TLS that ends in this very process.

A connection through it does not pass the hive, so it goes on when the hive is restarted,
updated or killed. ``door`` listens, ``splice`` copies, ``beside`` is for engines that
are programs of their own.
"""
