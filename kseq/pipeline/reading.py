"""The exception that ended the reading of pairs, which TensorFlow replaces with its own."""


class ErrorRecorder:
    """A context manager that keeps the first exception raised in it.

    A `tf.data.Dataset` runs Python functions and replaces their exceptions with its own, which keep
    only the text. If such a function runs in a recorder, the caller finds the exception there.

    Attributes:
        error: The exception; None if there was none.
    """

    def __init__(self):
        self.error = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        # A dataset can go on after an error and run into others. GeneratorExit is not an error.
        if self.error is None and isinstance(error, Exception):
            self.error = error

    def record(self, generate):
        """Returns a function that yields what `generate()` yields, in this recorder."""

        def generate_recorded():
            with self:
                yield from generate()

        return generate_recorded
