"""Models between the hives of one colony: this hive serves its files, and fetches others'.

The bytes never pass a place that does not have to see them: from hive to hive, or
through the queen where the two cannot see each other. Rule: a file is named by its
SHA-256, is read with a ticket, and is believed when its digest is the name.
"""
