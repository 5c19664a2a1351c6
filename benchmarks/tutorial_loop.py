"""Greedy search as TensorFlow's tutorial on attention does it: a compiled step called from Python.

What kseq's search, one compiled loop, is measured against, with the same model.
"""

import kseq

MOST_STEPS = 100


def loop_in_python(translator, batch_size):
    """A function that translates a list of strings, a step at a time until all have ended.

    Args:
        translator: A `kseq.Translator` of text, with one model.
        batch_size: Sentences at once, in the order given.

    Returns:
        A function from texts to translations.
    """
    import tensorflow as tf

    from kseq.special_tokens import END, START

    codecs = translator.codecs
    encoder, step = kseq.split_for_inference(translator.model)
    encode, advance = (tf.function(part, reduce_retracing=True) for part in (encoder, step))

    def in_batches(texts):
        starts = range(0, len(texts), batch_size)
        return [text for start in starts for text in one_batch(texts[start : start + batch_size])]

    def one_batch(texts):
        source_ids = codecs.source.encode(tf.constant(texts))
        encoded = encode({"source_ids": source_ids.to_tensor()})
        ids, found = tf.fill([len(texts)], START), []
        have_ended = tf.zeros([len(texts)], tf.bool)
        while len(found) < MOST_STEPS and not tf.reduce_all(have_ended):
            outputs = advance({"ids": ids, **encoded})
            encoded["state"] = outputs["state"]
            ids = tf.argmax(outputs["logits"], axis=-1, output_type=tf.int32)
            have_ended |= ids == END
            found.append(ids)
        columns = [ids.numpy().tolist() for ids in found]
        rows = [row[: row.index(END)] if END in row else row for row in zip(*columns)]
        texts = codecs.target.decode(tf.ragged.constant(rows, tf.int32))
        return [text.decode() for text in texts.numpy()]

    return in_batches
