"""The exception that ended the reading of pairs, of which TensorFlow passes on nothing but text."""


class ErrorRecorder:
    """A context manager that keeps the first exception that is raised in it.

    A `tf.data.Dataset` runs functions of Python, and replaces their exceptions by errors of its
    own. Such a function does its work in a recorder; whoever runs the dataset finds the exception
    there.

    Attributes:
        error: The exception; None if there was none.
    """

    def __init__(self):
        self.error = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        # A dataset may go on after an error and run into others. Closing a generator is none.
        if self.error is None and isinstance(error, Exception):
            self.error = error

    def record(self, generate):
        """Returns a function that yields what `generate()` yields, in this recorder."""

        def generate_recorded():
            with self:
                yield from generate()

        return generate_recorded
