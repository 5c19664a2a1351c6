"""The interpreters of LiteRT for one model, one for each call that runs at the same time."""

import collections


class Interpreters:
    """Runs a model; safe to call from several threads.

    A call takes a waiting interpreter or makes another one. Interpreters share the file of the
    model; each has its own tensors.

    Args:
        path: The `.tflite` file.
        threads: Threads of each interpreter.
        plans_memory: Whether all shapes of the model follow from those of its inputs. For other
            models, the fast kernels (XNNPACK) of some versions of LiteRT give wrong results, so
            they are not used.

    Attributes:
        output_specs: Shape and type of each output by name; a dimension that varies is -1.

    Raises:
        ImportError: `ai-edge-litert` is not installed.
    """

    def __init__(self, path, threads, plans_memory):
        self._arguments = str(path), threads, plans_memory
        first = self._make()
        self.output_specs = {
            name: (details["shape_signature"].tolist(), details["dtype"])
            for name, details in first.outputs.items()
        }
        self._waiting = collections.deque([first])

    def __call__(self, **inputs):
        """Runs the model.

        Args:
            **inputs: Its inputs by name, arrays of their types; their lengths may vary.

        Returns:
            Its outputs by name, arrays that belong to the caller.
        """
        try:
            interpreter = self._waiting.pop()
        except IndexError:
            interpreter = self._make()
        outputs = interpreter.run(inputs)
        self._waiting.append(interpreter)
        return outputs

    def _make(self):
        return _Interpreter(*self._arguments)


class _Interpreter:
    """One interpreter, whose inputs are resized when their shapes change."""

    def __init__(self, path, threads, plans_memory):
        try:
            from ai_edge_litert.interpreter import Interpreter, OpResolverType
        except ImportError as error:
            raise ImportError(
                "models for LiteRT need ai-edge-litert; install it with "
                'pip install "kseq[lite]", or without TensorFlow with pip install ai-edge-litert'
            ) from error
        kinds = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, OpResolverType.AUTO
        self._interpreter = Interpreter(
            model_path=path,
            num_threads=threads,
            experimental_op_resolver_type=kinds[plans_memory],
        )
        signature = self._interpreter.get_signature_runner("serving_default")
        self._inputs = {
            name: details["index"] for name, details in signature.get_input_details().items()
        }
        self.outputs = signature.get_output_details()
        self._shapes = None

    def run(self, inputs):
        """Runs the model once; see `Interpreters.__call__`."""
        shapes = {name: array.shape for name, array in inputs.items()}
        if shapes != self._shapes:
            for name, shape in shapes.items():
                self._interpreter.resize_tensor_input(self._inputs[name], shape)
            self._interpreter.allocate_tensors()
            self._shapes = shapes
        for name, array in inputs.items():
            self._interpreter.set_tensor(self._inputs[name], array)
        self._interpreter.invoke()
        return {
            name: self._interpreter.get_tensor(details["index"])
            for name, details in self.outputs.items()
        }
