"""The page at / in a real browser, driven over its debugging protocol."""

import base64
import json
import shutil
import subprocess
import uuid

import pytest
from stack import ROOT, await_that
from websockets.sync.client import connect

OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-proxy-server", "--ignore-certificate-errors", "--window-size=900,1000",
    "--remote-debugging-port=0",
]


class Browser:
    """One page of a headless Chromium."""

    def __init__(self, scratch, resolve: str) -> None:
        program = shutil.which("chromium")
        assert program, "chromium is not installed: apt-get install chromium"
        self.process = subprocess.Popen(
            [program, *OPTIONS, f"--host-resolver-rules={resolve}", f"--user-data-dir={scratch}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        told = scratch / "DevToolsActivePort"
        port, path = await_that("Chromium listens", lambda: told.exists() and told.read_text().split(), 45)
        self.socket = connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None, legacy=True)
        self.number, self.session = 0, ""
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters, **({"sessionId": self.session} if self.session else {})}
        self.socket.send(json.dumps(message))
        while True:
            answer = json.loads(self.socket.recv(timeout=20))
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def evaluate(self, expression: str):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def toots(self) -> list[str]:
        return self.evaluate("[...document.querySelectorAll('#timeline li.toot p')].map(toot => toot.textContent)") or []

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()


@pytest.fixture(scope="module")
def page(stack, tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("chromium"), f"MAP *:443 {stack.address('front-01')}:443")
    browser.call("Page.navigate", url=f"https://{stack.domain}/")
    # A mark that a reload would take away.
    await_that("the page is there", lambda: browser.evaluate("document.readyState === 'complete' && !!document.getElementById('compose')"), 30)
    browser.evaluate("window.notReloaded = true")
    yield browser
    browser.close()


def test_the_page_is_live_by_websocket(page):
    await_that("the page is live", lambda: page.evaluate("document.getElementById('connection').textContent") == "live by websocket", 15)


def test_a_toot_of_the_form_shows(page):
    text = f"From a browser {uuid.uuid4()}"
    page.evaluate(f"document.getElementById('status').value = {json.dumps(text)}; document.querySelector('#compose button').click()")
    await_that("the toot shows", lambda: text in page.toots(), 15)
    assert page.evaluate("document.getElementById('error').textContent") == ""


def test_a_toot_of_somebody_else_shows_without_a_reload(page, stack):
    text = f"From elsewhere {uuid.uuid4()}"
    stack.post(text)
    await_that("the toot shows", lambda: text in page.toots(), 5)
    assert page.evaluate("window.notReloaded") is True


def test_a_picture_of_the_form_shows(page, stack, tmp_path):
    """By its address behind the media cache, as anybody would see it."""
    picture = tmp_path / "mackerel.png"
    picture.write_bytes(base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGNgYGDAirGLDi4JAH+AP8GfRs3CAAAAAElFTkSuQmCC"
    ))
    root = page.call("DOM.getDocument")["root"]["nodeId"]
    field = page.call("DOM.querySelector", nodeId=root, selector="#media")["nodeId"]
    page.call("DOM.setFileInputFiles", nodeId=field, files=[str(picture)])
    text = f"With a picture {uuid.uuid4()}"
    page.evaluate(f"document.getElementById('status').value = {json.dumps(text)}; document.querySelector('#compose button').click()")
    await_that("the toot shows", lambda: text in page.toots(), 15)
    await_that("its picture is loaded", lambda: page.evaluate(
        f"[...document.querySelectorAll('#timeline li.toot')].find(toot => toot.textContent.includes({json.dumps(text)})).querySelector('img').naturalWidth"
    ) == 8, 15)
    output = ROOT / "tests" / "output"
    output.mkdir(parents=True, exist_ok=True)
    (output / "page.png").write_bytes(base64.b64decode(page.call("Page.captureScreenshot", format="png")["data"]))
