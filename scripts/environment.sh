# Sourced by the other scripts: makes .venv with everything the project needs, once, and activates it.
# PYTHON names the interpreter to make it with (default: python3).
project="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$project"
wanted="$(cat requirements.txt requirements-development.txt requirements-app.txt requirements-docs.txt setup.py | cksum) $project"
if [ "$(cat .venv/installed 2>/dev/null)" != "$wanted" ]; then
    echo "Setting up .venv (a few minutes and 6 GB the first time) ..."
    [ -x .venv/bin/python ] || "${PYTHON:-python3}" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[app,docs,development]"
    echo "$wanted" > .venv/installed
fi
. .venv/bin/activate
