"""Arrays of real values, in memory or from `.npy` files, checked before a model reads them."""

import pathlib

import numpy as np

from kseq.corpora.lines import require_file


def read_values(path):
    """Reads a sequence of real values from a `.npy` file; nothing is unpickled.

    Returns:
        A float32 array `[length, features]`, both at least 1, of finite numbers.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: The file does not hold such an array.
    """
    path = pathlib.Path(path)
    require_file(path)
    with open(path, "rb") as file:
        if file.read(len(np.lib.format.MAGIC_PREFIX)) != np.lib.format.MAGIC_PREFIX:
            raise ValueError(f"{path}: expected a .npy file; write it with numpy.save")
        file.seek(0)
        try:
            array = np.load(file, allow_pickle=False)
        except OSError:
            raise
        except Exception as error:  # A damaged header may raise anything.
            raise ValueError(
                f"{path}: expected a complete .npy file of numbers; write it again with numpy.save "
                f"({error})"
            ) from error
    return check_values(array, path)


def check_values(array, name):
    """Returns an array as finite float32 values `[length, features]`, both at least 1.

    Args:
        array: Anything that NumPy can convert to an array.
        name: Name of the array in error messages.

    Raises:
        ValueError: The array has another type or shape, is empty, or is not finite.
    """
    array = np.asarray(array)
    if array.dtype.kind not in "iuf":
        raise ValueError(
            f"{name}: expected integers or floats; received {array.dtype}; convert them with "
            'array.astype("float32")'
        )
    if array.ndim != 2:
        advice = "; a single feature is array[:, None]" if array.ndim == 1 else ""
        raise ValueError(f"{name}: expected [length, features]; received {array.shape}{advice}")
    if 0 in array.shape:
        raise ValueError(
            f"{name}: expected at least one frame and one feature; received {array.shape}; leave "
            "the pair out"
        )
    values = to_float32(array)
    if not np.isfinite(values).all():
        frame, feature = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"{name}: expected finite numbers in the range of float32; received "
            f"{array[frame, feature]} in frame {frame}, feature {feature}, counted from 0; fix it "
            "or leave the pair out"
        )
    return values


def to_float32(array):
    """Returns a numeric array as float32; numbers outside its range become infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(np.float32, order="C")
