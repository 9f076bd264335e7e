"""`hodor app`: a local page in the browser, to open a video, paint objects, follow them, correct and take away.

`program.py` is the command line; `server.py`, `masks.py`, `taking.py` and `live.py` are what the page asks for, `security.py`
whose questions are answered. A session (`sessions.py`, one of `store.py`) is a folder of `hodor track` with what was painted;
`frames.py` shows its video, and `running.py` follows. The page itself, which needs no building, is in `page/`.
"""
