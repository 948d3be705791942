"""``rbee doctor``: ``facts`` looks, ``checks`` judges (pure), ``cli.doctor`` prints."""
