"""The virtual environments of the systems that benchmarks compare with kseq.

Each system is installed from the package registry with the Python that runs the benchmark (3.11;
some of them do not support newer versions).
"""

import subprocess
import venv

_TORCH = ["torch==2.13.0", "numpy"]
PROGRAMS = {
    "JoeyNMT": "joeynmt",
    "OpenNMT-tf": "opennmt.bin.main",
    "Yoyodyne": "yoyodyne.cli.main",
}
PACKAGES = {
    # JoeyNMT pins versions of its dependencies that do not work with this PyTorch.
    "JoeyNMT": [
        _TORCH,
        ["--no-deps", "joeynmt==2.3.0"],
        [
            *("sacrebleu", "sacremoses", "sentencepiece", "subword-nmt", "matplotlib"),
            *("seaborn", "pyyaml", "datasets", "packaging", "plotly", "pandas", "tensorboard"),
            *("importlib_metadata", "wrapt"),
        ],
    ],
    "OpenNMT-tf": [["OpenNMT-tf==2.32.0", "tensorflow==2.13.1", "numpy<1.25"]],
    # Yoyodyne also asks for torchvision, which it does not use and which fails without a GPU.
    "Yoyodyne": [
        _TORCH,
        ["--no-deps", "yoyodyne==0.5.27", "lightning==2.6.6", "torchmetrics==1.9.0"],
        [
            *("jsonargparse[signatures]<5", "omegaconf", "maxwell", "wandb", "rich", "pyyaml"),
            *("lightning-utilities", "pytorch-lightning", "packaging", "tqdm", "fsspec[http]"),
        ],
    ],
}


def python_of(name, work):
    """The path of the Python interpreter of a system's virtual environment.

    Args:
        name: Name of the system, a key of `PACKAGES`.
        work: Folder of the benchmark.
    """
    return work / "environments" / name / "bin/python"


def is_ready(name, work):
    """Installs a system unless it is installed; prints a message and returns False if it fails.

    Args:
        name: Name of the system, a key of `PACKAGES`.
        work: Folder of the benchmark.
    """
    folder = work / "environments" / name
    if (folder / "done").exists():
        return True
    print(f"installing {name} in {folder}", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    commands = [["pip", "install", "--quiet", *packages] for packages in PACKAGES[name]]
    for command in [*commands, [PROGRAMS[name], "--help"]]:
        program = [python_of(name, work), "-m", *command]
        if subprocess.run(program, stdout=subprocess.DEVNULL, check=False).returncode:
            print(f"{name} could not be installed and is skipped", flush=True)
            return False
    (folder / "done").touch()
    return True
