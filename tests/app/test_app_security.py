"""Whose requests are answered, and what no request can do."""

import re
from pathlib import Path

import pytest
from app_page import PORT

import hodor.app

PAGE = Path(hodor.app.__file__).parent / "page"


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1", f"127.0.0.1:{PORT + 1}", f"0.0.0.0:{PORT}"]
)
def test_another_host_is_refused(page, host):
    for path in ("/", "/api/sessions", "/main.js"):
        answer = page.client.get(path, headers={"host": host})
        assert answer.status_code == 403 and "localhost" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"https://127.0.0.1:{PORT}"},
        {"origin": f"http://127.0.0.1:{PORT + 1}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_site_is_refused(page, video, headers):
    session = page.opened(video)
    for method, path in [("GET", ""), ("DELETE", f"/{session}"), ("POST", f"/{session}/run"), ("GET", f"/{session}/frames/0")]:
        assert page.client.request(method, f"/api/sessions{path}", headers=headers).status_code == 403
    assert page.state(session)["id"] == session


def test_our_own_page_is_answered(page):
    for host in ("127.0.0.1", "localhost"):
        headers = {"host": f"{host}:{PORT}", "origin": f"http://{host}:{PORT}", "sec-fetch-site": "same-origin"}
        assert page.client.get("/api/sessions", headers=headers).status_code == 200
    assert page.client.get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200  # a link to it may be followed


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded", ""])
def test_what_other_sites_may_send_unasked_is_refused(page, video, kind):
    headers = {"content-type": kind}
    assert page.client.post("/api/sessions?name=a.mp4", content=video.read_bytes(), headers=headers).status_code == 415


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", "..%2f..%2fetc", "%2fetc%2fpasswd", ".hidden", "a%00b", "..%5c..", "%2e%2e%2fsessions"]
)
def test_no_name_leads_out_of_the_folder(page, video, name):
    session = page.opened(video)
    (page.store.root.parent / "page").mkdir(exist_ok=True)
    (page.store.root.parent / "page/session.json").write_bytes((page.store.root / session / "page/session.json").read_bytes())
    for method in ("GET", "DELETE"):
        assert page.client.request(method, f"/api/sessions/{name}").status_code in {403, 404, 405}
        assert page.client.request(method, f"/api/sessions/{name}/run").status_code in {403, 404, 405}
    for path in ("/../server.py", "/%2e%2e/server.py", "/..%2fserver.py", "//etc/passwd"):
        assert page.client.get(path).status_code == 404
    assert (page.store.root / session).is_dir() and (page.store.root.parent / "page/session.json").is_file()


def test_names_stay_text(page, video):
    name = "<script>alert(1)</script>.mp4"
    session = page.upload(video.read_bytes(), name).json()["id"]
    assert re.fullmatch(r"[a-z0-9-]+", session)
    assert page.state(session)["title"] == Path(name).name
    page.client.post(f"/api/sessions/{session}/objects", json={"name": "<img src=x onerror=alert(1)>"})
    answer = page.client.get(f"/api/sessions/{session}")
    assert answer.headers["content-type"] == "application/json" and answer.headers["x-content-type-options"] == "nosniff"
    for path in ("../../../etc/cron.mp4", "a/b.mp4", "..\\c.mp4"):
        assert page.upload(video.read_bytes(), path).status_code == 201
    assert {folder.parent for folder in page.store.root.parent.rglob("session.json")} == {
        page.store.root / name / "page" for name in page.store.names()
    }


def test_what_is_too_large_is_refused_by_its_header(page, video):
    session = page.opened(video)
    for method, path, length in [
        ("POST", "/api/sessions?name=a.mp4", 2**40),
        ("PUT", f"/api/sessions/{session}/painted/0?width=1&height=1", 2**30),
        ("POST", f"/api/sessions/{session}/objects", 2**30),
    ]:
        answer = page.client.request(method, path, content=b"", headers={"content-length": str(length)})
        assert answer.status_code == 413 and "too many" in answer.text
    unknown = page.client.post(f"/api/sessions/{session}/objects", content=iter([b"{}"]))
    assert unknown.status_code == 411
    assert page.client.post(f"/api/sessions/{session}/objects", json={"name": "x" * 1000}).status_code == 422


def test_nothing_is_loaded_from_elsewhere(page):
    for path in PAGE.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(https?:)?//[a-z]", re.sub(r"(?m)^\s*//.*$| // .*$", "", text)), path
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\(|\son\w+=|style=", text), path
        answer = page.client.get("/" if path.name == "index.html" else f"/{path.name}")
        assert answer.status_code == 200 and "default-src 'self'" in answer.headers["content-security-policy"]
