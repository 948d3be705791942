"""A large colony without machines: a real queen, and hives that are played over real links.

``scenarios`` says which machines there are, ``machines`` (pure) what each of them says in its
next beat, ``playing`` links them to a queen and beats, and answers requests with made-up
words. ``python -m rbee.testing.big_colony --help`` starts it by hand: to look at the console
with 800 GPUs on a machine that has none.
"""
