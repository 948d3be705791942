"""The hive's end of the link to its queen: dialled from here, so that no port need be open.

``dial`` shakes hands, ``uplink`` keeps a lane up and its session alive over reconnects,
``serving`` answers the streams that the queen opens, ``links`` puts them together.
"""
