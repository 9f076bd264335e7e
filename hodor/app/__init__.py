"""`hodor app`: a local page in the browser, to open a video, paint objects, follow them, correct and take away.

`program.py` is the command line, `server.py` what the page asks for, `security.py` whose questions are answered. A session
(`sessions.py`) is a folder of `hodor track` with what was painted; `frames.py` shows its video, and `running.py` follows.
The page itself, which needs no building, is in `page/`.
"""
