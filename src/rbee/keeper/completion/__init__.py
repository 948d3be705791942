"""Shell completion: what may follow the words that were typed.

The shells' scripts (``scripts``) ask ``rbee __complete WORDS`` at every Tab. The front
door passes the words to ``answer``; ``tree`` is the command line as a value, kept in a
file so that no command's file has to be loaded; ``words`` (pure) says what may follow;
``names`` asks the colony where that is the name of a model, a hive or a worker.
The rule: completion is never in the way. It says nothing rather than fail, and waits
for the colony no longer than a person holds still.
"""
