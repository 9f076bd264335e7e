"""One video, from a terminal: `hodor track` follows what is given in it, and writes what was found in the forms people use.

`options.py` is the command line, `given.py` makes masks of what stands in it, `follow.py` goes through the frames, `folder.py`
keeps what was found and where to go on, and `products.py` makes videos, pictures and tables of it.
"""
