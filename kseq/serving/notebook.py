"""The page of a server in a notebook: `translator.app()`.

A thread of the notebook's process serves it on 127.0.0.1, and ends with the process.
"""

import asyncio
import html
import secrets
import threading
import warnings

from kseq.serving.inputs import make_job
from kseq.serving.limits import Limits
from kseq.serving.refusals import Refusal, mistake
from kseq.serving.server import listen, require_packages
from kseq.serving.service import find_model
from kseq.serving.worker import answer_batch

_NAMES = ("translator", "other")
_SECONDS_TO_STOP = 5

_running = {}  # by translator, so that a cell that runs again does not start another


def open_app(translator, other=None, height=700):
    """Returns the `App` of a translator: the one that runs, or a new one.

    Args:
        translator: `Translator`.
        other: Another one to compare it with, or None.
        height: Height of the page in the notebook, in pixels.

    Raises:
        ImportError: The packages of `kseq[serve]` are not installed.
    """
    require_packages()
    translators = (translator,) if other is None else (translator, other)
    app = _running.get(translator)
    if app is None or app.translators != translators:
        if app is not None:
            app.stop()
        app = _running[translator] = App(translators)
    app.height = height
    return app


class App:
    """A page that a thread serves. As the last value of a cell, it is shown in the notebook.

    Args:
        translators: One `Translator`, or two to compare, in a tuple.

    Attributes:
        translators: The argument.
        height: Height of the page in the notebook, in pixels.
        port: Port on 127.0.0.1.
        path: Path of the page on it. Part of it is random, so that only who has seen the notebook
            knows it.
        url: Address of the page.
    """

    def __init__(self, translators):
        import uvicorn

        from kseq.serving.app import make_page_app
        from kseq.serving.run_engine import RunEngine

        # Whoever types sees that an output was cut; a warning for each key would only be noise.
        warnings.filterwarnings("ignore", module=r"kseq\.serving\.")
        self.translators = translators
        self.height = 700
        models = [
            _Model(name, RunEngine(translator)) for name, translator in zip(_NAMES, translators)
        ]
        self._listener = listen("127.0.0.1", 0)
        self.port = self._listener.getsockname()[1]
        path = f"/{secrets.token_urlsafe(16)}"
        self.path = path + "/"
        self.url = f"http://127.0.0.1:{self.port}{self.path}"
        app = make_page_app(NotebookService(models), path)
        config = uvicorn.Config(app, lifespan="off", log_config=None)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._listener],), name="kseq-app", daemon=True
        )
        self._thread.start()

    def stop(self):
        """Ends the server. The page in the notebook no longer answers."""
        self._server.should_exit = True
        self._thread.join(_SECONDS_TO_STOP)
        self._listener.close()
        _running.pop(self.translators[0], None)

    def __repr__(self):
        return f"<kseq app at {self.url}>"

    def _repr_html_(self):
        return (
            f'<iframe src="{html.escape(self.url)}" title="kseq" width="100%" '
            f'height="{int(self.height)}" style="border: 0"></iframe>'
        )


class NotebookService:
    """Answers questions with models of this process, one after the other.

    Args:
        models: `_Model`s.

    Attributes:
        models: Models by name.
        limits: `Limits`.
    """

    def __init__(self, models):
        self.models = {model.name: model for model in models}
        self.limits = Limits()
        self._lock = asyncio.Lock()

    def find(self, name=None, number=None):
        """Returns a model, as `Service.find` does."""
        return find_model(self.models, name)

    async def ask(self, request, version, question):
        """Answers a question, as `Service.ask` does."""
        job = make_job(question, version.description, self.limits, {})
        async with self._lock:
            answer = await asyncio.to_thread(answer_batch, version.engine, job.batch)
        if "mistake" in answer:
            raise mistake(answer["mistake"])
        if "failure" in answer:
            raise Refusal(500, answer["failure"])
        return answer["results"]


class _Model:
    """A model of this process, which is its own only version."""

    number = "1"
    is_ready = True

    def __init__(self, name, engine):
        self.name = self.model = name
        self.version = self
        self.engine = engine
        self.description = engine.description
