"""Greedy search as in TensorFlow's tutorial on attention: a compiled step called from Python.

With the same model, it is the baseline for kseq's search, which is one compiled loop.
"""

import kseq

MAXIMUM_STEPS = 100


def make_python_loop(translator, batch_size):
    """Makes a function that translates strings step by step until all of them have ended.

    Args:
        translator: A `kseq.Translator` for text, with a single model.
        batch_size: Number of sentences in a batch; their order is kept.

    Returns:
        A function from a list of texts to a list of translations.
    """
    import tensorflow as tf

    from kseq.special_tokens import END, START

    codecs = translator.codecs
    encoder, step = kseq.split_for_inference(translator.model)
    encode, advance = (tf.function(part, reduce_retracing=True) for part in (encoder, step))

    def translate(texts):
        starts = range(0, len(texts), batch_size)
        batches = (texts[start : start + batch_size] for start in starts)
        return [translation for batch in batches for translation in translate_batch(batch)]

    def translate_batch(texts):
        source_ids = codecs.source.encode(tf.constant(texts))
        encoded = encode({"source_ids": source_ids.to_tensor()})
        ids, steps = tf.fill([len(texts)], START), []
        have_ended = tf.zeros([len(texts)], tf.bool)
        while len(steps) < MAXIMUM_STEPS and not tf.reduce_all(have_ended):
            outputs = advance({"ids": ids, **encoded})
            encoded["state"] = outputs["state"]
            ids = tf.argmax(outputs["logits"], axis=-1, output_type=tf.int32)
            have_ended |= ids == END
            steps.append(ids)
        columns = [ids.numpy().tolist() for ids in steps]
        rows = [row[: row.index(END)] if END in row else row for row in zip(*columns)]
        translations = codecs.target.decode(tf.ragged.constant(rows, tf.int32))
        return [translation.decode() for translation in translations.numpy()]

    return translate
