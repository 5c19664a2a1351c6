"""A SavedModel of kseq on a Ray cluster: replicas behind one address.

pip install "ray[serve]" tensorflow tensorflow-text
kseq export runs/en-fr exported/en-fr
KSEQ_MODEL=$PWD/exported/en-fr serve run deploy.ray_serve:app
curl http://127.0.0.1:8000 -d '{"text": ["The red car is old."]}'
"""

import asyncio
import os

from ray import serve


@serve.deployment(num_replicas=2, max_ongoing_requests=64, ray_actor_options={"num_cpus": 1})
class Translation:
    """Translates sentences; those that arrive at about the same time are one batch."""

    def __init__(self, folder):
        import tensorflow as tf
        import tensorflow_text  # noqa: F401 (the operations of the model)

        self._constant, self._model = tf.constant, tf.saved_model.load(folder)
        self._model.signatures["serving_default"](text=tf.constant(["warm up"]))

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.002)
    async def translate(self, texts):
        """Translates a batch of sentences."""
        outputs = self._model.signatures["serving_default"](text=self._constant(texts))
        return [text.decode() for text in outputs["translation"].numpy()]

    async def __call__(self, request):
        """Answers `{"text": [...]}`."""
        texts = (await request.json())["text"]
        return {"translation": await asyncio.gather(*map(self.translate, texts))}


app = Translation.bind(os.environ["KSEQ_MODEL"])
