"""A W&B server as far as a run needs one, on loopback: it keeps what it is sent, and can fall silent."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class WandbServer:
    """``with WandbServer() as server``: ``server.url``.

    Attributes:
        history: rows that runs have logged, by step.
        runs: variables of each time a run was created or updated.
        summary: what was last sent of it.
        exit_code: with which the run ended; ``None`` before it has.
        silent: when set, requests are taken and never answered.
    """

    def __init__(self, silent: bool = False) -> None:
        self.history: dict[int, dict[str, Any]] = {}
        self.runs: list[dict[str, Any]] = []
        self.summary: dict[str, Any] = {}
        self.exit_code: int | None = None
        self.silent = threading.Event()
        self.streamed = threading.Event()
        self._closing = threading.Event()
        if silent:
            self.silent.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("content-length", 0)))
                if outer.silent.is_set():
                    outer._closing.wait()
                    return
                answer = json.dumps(outer.answer(self.path, content)).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_PUT = do_POST

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing to say."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "WandbServer":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, content: bytes) -> dict[str, Any]:
        if path.endswith("/file_stream"):
            self._take(json.loads(content))
            return {"exitcode": None, "limits": {}}
        if path != "/graphql":
            return {}
        request = json.loads(content)
        variables = request["variables"]
        if "UpsertBucket" in request["query"]:
            self.runs.append(variables)
            project = {"id": "p", "name": variables["project"], "entity": {"id": "e", "name": "someone"}}
            bucket = {
                "id": "b",
                "name": variables.get("name") or variables.get("id"),
                "displayName": variables.get("displayName") or "",
                "description": "",
                "config": "{}",
                "sweepName": None,
                "historyLineCount": 0,
                "project": project,
            }
            return {"data": {"upsertBucket": {"bucket": bucket, "inserted": True}}}
        if "CreateRunFiles" in request["query"]:
            files = [{"name": name, "uploadUrl": f"{self.url}/upload"} for name in variables["files"]]
            return {"data": {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}}
        return {"data": {}}

    def _take(self, stream: dict[str, Any]) -> None:
        for line in stream.get("files", {}).get("wandb-history.jsonl", {}).get("content", []):
            row = json.loads(line)
            self.history.setdefault(int(row["_step"]), {}).update(row)
        for line in stream.get("files", {}).get("wandb-summary.json", {}).get("content", []):
            self.summary = json.loads(line)
        if stream.get("complete"):
            self.exit_code = stream["exitcode"]
        self.streamed.set()
