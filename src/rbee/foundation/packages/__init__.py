"""Python packages as this machine's pip and uv are told to get them.

The hive fetches its starter model in one, the keeper the wheels of another machine.
"""
