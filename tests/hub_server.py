"""A hub on this machine: the part of the interface of huggingface_hub that kseq uses."""

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading
import urllib.parse


class HubServer(http.server.ThreadingHTTPServer):
    """Serves `commits`: for each repository a list of (commit, files), files being bytes by name.

    `sizes` replaces the sizes that the server claims, by name of the file.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.commits = {}
        self.sizes = {}
        self.downloads = []  # names of files

    @property
    def address(self):
        """Address of the server."""
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, repository, files):
        """Adds a commit to a repository; returns its hash."""
        history = self.commits.setdefault(repository, [])
        commit = hashlib.sha1(f"{repository} {len(history)}".encode()).hexdigest()
        history.append((commit, dict(files)))
        return commit

    def find(self, repository, revision):
        """Returns a commit and its files; None if there is none."""
        history = self.commits.get(repository, [])
        if revision == "main":
            return history[-1] if history else None
        return next((each for each in history if each[0] == revision), None)


@contextlib.contextmanager
def serving_hub():
    """Yields a `HubServer` that runs in a thread."""
    with HubServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        info = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/(.+))?", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        repository, *_ = (info or file).groups()
        revision = (info[3] if info else file[2]) or "main"
        found = self.server.find(repository, revision)
        if found is None:
            kind = "Revision" if repository in self.server.commits else "Repo"
            self.answer(404, b"{}", {"X-Error-Code": f"{kind}NotFound"})
        elif info and info[2] == "tree":
            self.answer_json([self.tree_entry(*each) for each in found[1].items()])
        elif info:
            siblings = [
                {"rfilename": name, "size": self.size(name, data)}
                for name, data in found[1].items()
            ]
            self.answer_json({"id": repository, "sha": found[0], "siblings": siblings})
        else:
            data = found[1][file[3]]
            if self.command == "GET":
                self.server.downloads.append(file[3])
            headers = {"ETag": f'"{blob_of(data)}"', "X-Repo-Commit": found[0]}
            self.answer(200, data, headers)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = urllib.parse.urlsplit(self.path).path
        if path == "/api/repos/create":
            fields = json.loads(body)
            name = f"{fields['organization']}/{fields['name']}"
            code = 409 if name in self.server.commits else 200
            self.server.commits.setdefault(name, [])
            if not self.server.commits[name]:
                self.server.add(name, {".gitattributes": b""})
            self.answer_json({"url": f"{self.server.address}/{name}"}, code)
        elif path == "/api/validate-yaml":
            self.answer_json({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            self.answer_json(
                {
                    "files": [
                        {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False}
                        for each in json.loads(body)["files"]
                    ]
                }
            )
        else:
            self.commit(re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/main", path)[1], body)

    def commit(self, repository, body):
        """Applies the changes of a commit to the newest files."""
        _, files = self.server.find(repository, "main")
        files = dict(files)
        for line in body.splitlines():
            change = json.loads(line)
            value = change["value"]
            if change["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif change["key"] == "deletedFile":
                del files[value["path"]]
        commit = self.server.add(repository, files)
        address = f"{self.server.address}/{repository}/commit/{commit}"
        self.answer_json({"success": True, "commitOid": commit, "commitUrl": address})

    def tree_entry(self, name, data):
        """An entry of the list of files."""
        size = self.size(name, data)
        return {"type": "file", "path": name, "size": size, "oid": blob_of(data)}

    def size(self, name, data):
        """The size that the server claims."""
        return self.server.sizes.get(name, len(data))

    def answer_json(self, value, code=200):
        """Sends JSON."""
        self.answer(code, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def answer(self, code, data, headers):
        """Sends data, or only their length."""
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def blob_of(data):
    """Returns the hash by which Git names data."""
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
