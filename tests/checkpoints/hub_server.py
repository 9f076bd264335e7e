"""A hub on this machine: as much of its protocol as `huggingface_hub` speaks, and the ways in which one misbehaves."""

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_of_tests"
_FILE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")
_API = re.compile(
    r"/(?:api/models/)?(?P<repository>[^/]+/[^/.]+)(?:\.git)?/(?P<call>preupload|commit|branch|info)/(?P<rest>.+)"
)


@dataclass
class Repository:
    """Commits, the newest last, and the branches that lead to them."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    private: bool = False

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        """Adds files to what is there; returns the commit's name."""
        before = self.commits.get(self.branches.get(branch, ""), {})
        name = hashlib.sha1(f"{branch} {len(self.commits)}".encode()).hexdigest()
        self.commits[name] = before | files
        self.branches[branch] = name
        return name

    def find(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """A commit by its name or that of a branch."""
        name = self.branches.get(revision, revision)
        return (name, self.commits[name]) if name in self.commits else None


@dataclass
class Hub:
    """A running hub.

    Attributes:
        url: its address.
        repositories: by "owner/name".
        asked: "METHOD path" of each request so far.
        status: what it answers to every request instead of what is right, or 0.
        code: the name of the error that goes with it.
        lost: {file: bytes after which the connection ends, for each time that it does}.
        lengths: {file: what is said of its size before it is sent}.
        web_page: it answers everything with a page to log in.
        is_private_by_default: a repository whose visibility nobody names.
    """

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    status: int = 0
    code: str = ""
    lost: dict[str, list[int]] = field(default_factory=dict)
    lengths: dict[str, int] = field(default_factory=dict)
    web_page: bool = False
    is_private_by_default: bool = False
    uploaded: dict[str, bytes] = field(default_factory=dict)

    def put(self, name: str, files: dict[str, bytes], branch: str = "main") -> str:
        """A commit to a repository, which is made if it isn't there."""
        return self.repositories.setdefault(name, Repository()).commit(files, branch)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.asked.append(f"{self.command} {self.path}")
        if self.hub.status:
            self._say(self.hub.status, {"error": "no"}, {"X-Error-Code": self.hub.code})
        elif self.hub.web_page:
            self._send(200, b"<html>log in</html>", {"Content-Type": "text/html"})
        elif found := _FILE.fullmatch(self.path):
            self._file(**found.groupdict())
        elif self.path == "/api/repos/create":
            self._create(json.loads(body))
        elif self.path == "/api/validate-yaml":
            self._say(200, {"errors": [], "warnings": []})
        elif self.path.startswith("/uploads/"):
            self.hub.uploaded[self.path.removeprefix("/uploads/")] = body
            self._say(200, {})
        elif (found := _API.fullmatch(self.path)) and found["repository"] in self.hub.repositories:
            getattr(self, "_" + found["call"])(found["repository"], found["rest"], body)
        else:
            self._say(404, {"error": "nothing here"}, {"X-Error-Code": "RepoNotFound"})

    do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815

    def log_message(self, *arguments):
        pass

    def _file(self, repository, revision, file):
        known = self.hub.repositories.get(repository)
        if known is None or (known.private and self.headers.get("authorization") != f"Bearer {TOKEN}"):
            self._say(401, {"error": "Repository not found"}, {})
            return
        found = known.find(revision)
        if found is None:
            self._say(404, {}, {"X-Error-Code": "RevisionNotFound"})
            return
        commit, files = found
        if file not in files:
            self._say(404, {}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            return
        content, headers = files[file], {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha1(files[file]).hexdigest()}"'}
        if self.command == "HEAD" and file in self.hub.lengths:
            headers["Content-Length"] = str(self.hub.lengths[file])
        begin = int(re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))[1])
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        cut = self.hub.lost[file].pop() if self.command == "GET" and self.hub.lost.get(file) else None
        self._send(206 if begin else 200, content[begin:], headers, cut)

    def _create(self, asked):
        name = f"{asked['organization']}/{asked['name']}"
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            self._say(401, {"error": "Invalid username or password."}, {})
        elif name in self.hub.repositories:
            self._say(409, {"error": "You already created this model repo", "url": f"{self.hub.url}/{name}"})
        else:
            said = [asked.get("visibility"), {True: "private", False: "public"}.get(asked.get("private"))]
            wanted = next((each for each in said if each), "private" if self.hub.is_private_by_default else "public")
            self.hub.repositories[name] = Repository(private=wanted == "private")
            self.hub.put(name, {".gitattributes": b""})
            self._say(200, {"url": f"{self.hub.url}/{name}"})

    def _branch(self, repository, name, body):
        known = self.hub.repositories[repository]
        known.branches.setdefault(name, known.branches["main"])
        self._say(200, {})

    def _preupload(self, repository, revision, body):
        files = [each["path"] for each in json.loads(body)["files"]]
        modes = [(path, "lfs" if path.endswith(".safetensors") else "regular") for path in files]
        self._say(200, {"files": [{"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in modes]})

    def _info(self, repository, rest, body):
        assert rest == "lfs/objects/batch"
        objects = json.loads(body)["objects"]
        for each in objects:
            each["actions"] = {"upload": {"href": f"{self.hub.url}/uploads/{each['oid']}"}}
        self._say(200, {"transfer": "basic", "objects": objects}, {"Content-Type": "application/vnd.git-lfs+json"})

    def _commit(self, repository, revision, body):
        files = {}
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "lfsFile":
                content = self.hub.uploaded[line["value"]["oid"]]
                assert hashlib.sha256(content).hexdigest() == line["value"]["oid"]
                files[line["value"]["path"]] = content
        name = self.hub.repositories[repository].commit(files, revision)
        self._say(200, {"commitUrl": f"{self.hub.url}/{repository}/commit/{name}", "commitOid": name, "success": True})

    def _say(self, status, content, headers=None):
        self._send(status, json.dumps(content).encode(), {"Content-Type": "application/json"} | (headers or {}))

    def _send(self, status, content, headers, cut=None):
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:cut])
            self.close_connection = cut is not None


@contextlib.contextmanager
def serving_hub() -> Iterator[Hub]:
    """An empty hub."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
